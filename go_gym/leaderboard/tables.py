"""Tables from rows: Markdown between markers in a README, never by hand."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text
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


def cells(rows: Sequence[Row]) -> tuple[str, ...]:
    """The cells under ``HEADINGS`` of one agent's rows (one a seed): medians."""
    step = median(row.step_time_ns for row in rows)
    bound = rows[0].lower_bound_ns
    valid = sum(row.valid for row in rows)
    return (
        rows[0].agent_name,
        f"{step / 1e6:.3f}",
        f"{rows[0].expert_ns / max(step, 1):.3f}",
        f"{bound / 1e6:.3f}",
        f"{step / max(bound, 1) - 1:.1%}",
        f"{median(row.peak_memory_bytes for row in rows) / 1e9:.3f}",
        ("yes" if valid else "no") if len(rows) == 1 else f"{valid} of {len(rows)}",
    )


def groups(rows: Sequence[Row]) -> dict[tuple[str, str, str, str], list[tuple[str, ...]]]:
    """Ranked cells by (task, graph, cluster, priorities): valid first, then by step time."""
    found: dict[tuple[str, str, str, str], dict[str, list[Row]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        found[row.task, row.graph, row.cluster, row.priorities][row.agent_name].append(row)
    return {
        key: [
            cells(mine)
            for mine in sorted(
                agents.values(),
                key=lambda rs: (
                    not all(r.valid for r in rs),
                    median(r.step_time_ns for r in rs),
                    rs[0].agent_name,
                ),
            )
        ]
        for key, agents in sorted(found.items())
    }


def markdown(rows: Sequence[Row]) -> str:
    """The standings and the tables of ``rows``, ranked, as Markdown."""
    lines: list[str] = []
    for (task, cluster, priorities), board in standings(rows).items():
        lines += [f"### Standings: {task} on {cluster}, {priorities} priorities", ""]
        lines += [*_table(SUMMARY_HEADINGS, [each.cells for each in board]), ""]
    for (task, graph, cluster, priorities), table in groups(rows).items():
        lines += [f"### {graph} on {cluster} ({task}, {priorities})", ""]
        lines += [*_table(HEADINGS, table), ""]
    return "\n".join(lines)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, numbers to the right."""
    rule = "| --- " + "| ---: " * (len(headings) - 2) + "| --- |"
    first, *rest = (f"| {' | '.join(line)} |" for line in (headings, *rows))
    return [first, rule, *rest]


def with_tables(text: str, rows: Sequence[Row], where: str) -> str:
    """``text`` with the tables between its markers; raises LeaderboardError without markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise LeaderboardError(f"{where}: expected one {BEGIN} before one {END}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{markdown(rows)}\n{END}{rest.split(END)[1]}"


def is_stale(path: Path, rows: Sequence[Row]) -> bool:
    """Is there a README whose tables are not those of ``rows``?"""
    if not path.exists():
        return False
    text = read_text(path)
    try:
        return text != with_tables(text, rows, str(path))
    except LeaderboardError:
        return True


def update(path: Path, rows: Sequence[Row]) -> None:
    """Write the tables of ``rows`` into the README at ``path``."""
    atomic_write(path, with_tables(read_text(path), rows, str(path)))
