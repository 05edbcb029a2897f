"""Tables from rows: Markdown between markers in a README, never by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text
from go_gym.leaderboard.frame import PROBLEM, frame, over_seeds
from go_gym.leaderboard.optima import COLUMN_HEADINGS, Key, Known, columns, read_known
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.summary import SUMMARY_HEADINGS, standings

README = "README.md"
BEGIN, END = "<!-- leaderboard:begin -->", "<!-- leaderboard:end -->"
HEADINGS = (
    "agent",
    "step time (ms)",
    "speed-up over expert",
    "lower bound (ms)",
    "gap",
    "peak memory (GB)",
    "valid",
)


NOTHING: Mapping[Key, Known] = {}


def headings(known: Mapping[Key, Known] = NOTHING) -> tuple[str, ...]:
    """``HEADINGS``, and those of the optimum where any is known."""
    return (*HEADINGS, *COLUMN_HEADINGS) if known else HEADINGS


def groups(
    rows: Sequence[Row], known: Mapping[Key, Known] = NOTHING
) -> dict[tuple[str, str, str, str], list[tuple[str, ...]]]:
    """Ranked cells by (task, graph, cluster, priorities): valid first, then by step time.

    Args:
        rows: any.
        known: what is known of optima; the cells are those under :func:`headings`.
    """
    hashes = {(row.graph, row.cluster): (row.graph_hash, row.cluster_hash) for row in rows}
    jobs = over_seeds(frame(rows))
    by = {"valid": False, "step_time_ns": True, "agent_name": True}
    ranked = jobs.sort_values(list(by), ascending=list(by.values()))
    return {
        key: [
            _cells(job)
            + (columns(hashes[key[1], key[2]], job.step_time_ns, known) if known else ())
            for job in mine.itertuples(index=False)
        ]
        for key, mine in ranked.groupby(PROBLEM)
    }


def _cells(job: Any) -> tuple[str, ...]:
    """The cells under ``HEADINGS`` of an agent's seeds on a problem."""
    one = "yes" if job.valid else "no"
    return (
        job.agent_name,
        f"{job.step_time_ns / 1e6:.3f}",
        f"{job.expert_ns / max(job.step_time_ns, 1):.3f}",
        f"{job.lower_bound_ns / 1e6:.3f}",
        f"{job.step_time_ns / max(job.lower_bound_ns, 1) - 1:.1%}",
        f"{job.peak_memory_bytes / 1e9:.3f}",
        one if job.seeds == 1 else f"{job.valid_seeds} of {job.seeds}",
    )


def markdown(rows: Sequence[Row], known: Mapping[Key, Known] = NOTHING) -> str:
    """The standings and the tables of ``rows``, ranked, as Markdown."""
    lines = _of_versions(rows)
    for (task, cluster, priorities), board in standings(rows).items():
        lines += [f"### Standings: {task} on {cluster}, {priorities} priorities", ""]
        lines += [*markdown_table(SUMMARY_HEADINGS, [each.cells for each in board]), ""]
    for (task, graph, cluster, priorities), table in groups(rows, known).items():
        lines += [f"### {graph} on {cluster} ({task}, {priorities})", ""]
        lines += [*markdown_table(headings(known), table), ""]
    return "\n".join(lines)


def _of_versions(rows: Sequence[Row]) -> list[str]:
    """Lines that say which agents' rows are of an earlier version of the simulator."""
    versions = sorted({row.simulator_version for row in rows})
    lines = []
    for version in versions[:-1]:
        agents = sorted({row.agent_name for row in rows if row.simulator_version == version})
        lines += [
            f"Rows of {', '.join(agents)} are of version {version} of the simulator, the others of "
            f"version {versions[-1]}: step times of one and of the other are not comparable.",
            "",
        ]
    return lines


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, numbers to the right."""
    rule = "| --- " + "| ---: " * (len(headings) - 2) + "| --- |"
    first, *rest = (f"| {' | '.join(line)} |" for line in (headings, *rows))
    return [first, rule, *rest]


def with_tables(
    text: str, rows: Sequence[Row], where: str, known: Mapping[Key, Known] = NOTHING
) -> str:
    """``text`` with the tables between its markers; raises LeaderboardError without markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise LeaderboardError(f"{where}: expected one {BEGIN} before one {END}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{markdown(rows, known)}\n{END}{rest.split(END)[1]}"


def is_stale(path: Path, rows: Sequence[Row]) -> bool:
    """Is there a README whose tables are not those of ``rows``?"""
    if not path.exists():
        return False
    text = read_text(path)
    try:
        return text != with_tables(text, rows, str(path), read_known(path.parent))
    except LeaderboardError:
        return True


def update(path: Path, rows: Sequence[Row]) -> None:
    """Write the tables of ``rows`` into the README at ``path``."""
    known = read_known(path.parent)
    atomic_write(path, with_tables(read_text(path), rows, str(path), known))
