"""Writes the measured figures of README and docs from the committed rows.

A page says where they go: a line ``<!-- figures: NAME -->``, what ``NAME.md.jinja`` beside this
script makes of the rows, and a line ``<!-- end of figures -->``. ``make figures`` writes them anew;
with ``--check`` nothing is written, and pages that differ are named.
"""

import csv
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import jinja2
from scipy import stats

from go_gym.reproduce.catalogue import experiment_of
from go_gym.reproduce.cells import ratios_to
from go_gym.reproduce.report import Report
from go_gym.reproduce.reproduce import report_of
from go_gym.reproduce.statistics import first
from go_gym.reproduce.tables import Table

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = ("docs/results.md", "docs/training/README.md")
BLOCK = re.compile(
    r"(<!-- figures: (?P<name>[\w-]+) -->\n).*?(<!-- end of figures -->\n)", re.DOTALL
)


class Board:
    """A committed experiment, as a template asks about it."""

    def __init__(self, name: str) -> None:
        self.report: Report = report_of(experiment_of(name).changed(), ROOT / "leaderboards" / name)

    def mean(self, agent: str, kind: str = "fifo", timed: bool = False) -> str:
        """Step time over the reference's: the geometric mean as the board's table says it."""
        table = self.report.timed_step_times(kind) if timed else self.report.step_times(kind)
        return self._last(table, f"{agent}, ms")

    def fewer(self, agent: str) -> str:
        """How many times fewer calls than HDP until HDP's final step time, as the table says it."""
        text = self._last(self.report.calls_until_hdp(), agent)
        ratio, _, note = text.partition(" ")
        return f"{float(ratio):.0f} times {note}".strip()

    def shorter(self, agent: str) -> str:
        """Per cent by which the step is shorter than without fusion, the mean over graphs."""
        return self._last(self.report.shorter_beside(), agent).split(" / ")[0]

    def first(self, kind: str = "fifo") -> tuple[str, ...]:
        """The agents that may be first; one alone is first beyond chance."""
        known, graphs = self.report.cells(kind), len(self.report.graphs)
        reference = self.report.experiment.what.reference
        names = self.report.experiment.columns
        ratios = {name: ratios_to(known, name, reference) for name in names}
        return first({name: each for name, each in ratios.items() if len(each) == graphs})

    def step_ms(self, graph: str, agent: str) -> str:
        """The median step time under first in, first out."""
        time = self.report.cells("fifo")[graph, agent].median
        assert time is not None
        return f"{time / 1e6:.0f}"

    @property
    def seeds(self) -> int:
        return len(self.report.experiment.seeds)

    @staticmethod
    def _last(table: Table, column: str) -> str:
        return table.lines[-1][list(table.head).index(column)]


def training(name: str) -> dict[str, str]:
    """The samples' mean step time in ms at the start and at the end of a committed training."""
    rows = _rows(ROOT / "docs" / "training" / f"{name}.csv")
    means = [float(row["mean_step_time_ns"]) / 1e6 for row in rows]
    return {"start": f"{means[0]:,.0f}", "end": f"{means[-1]:,.0f}", "calls": rows[-1]["calls"]}


def measured(name: str) -> dict[str, str]:
    """How near simulated step times are to measured ones, in a committed report."""
    rows = _rows(ROOT / "docs" / "reports" / f"{name}.csv")
    simulated = [float(row["simulated_ns"]) for row in rows]
    real = [float(row["measured_ns"]) for row in rows]
    errors = [abs(s / m - 1) for s, m in zip(simulated, real, strict=True)]
    return {
        "placements": str(len(rows)),
        "models": str(len({row["model"] for row in rows})),
        "spearman": f"{stats.spearmanr(simulated, real).statistic:.3f}",
        "error": f"{100 * median(errors):.1f}",
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rendered(name: str) -> str:
    """The text of one block."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template(f"{name}.md.jinja")
    return template.render(board=cache(Board), training=training, measured=measured)


def written(page: str) -> str:
    """A page with its figures made from the rows."""
    return BLOCK.sub(lambda block: block[1] + rendered(block["name"]) + block[3], page)


def stale() -> Iterator[tuple[Path, str]]:
    """Pages whose figures differ from the rows', with the text that they should have."""
    for name in PAGES:
        page = (ROOT / name).read_text(encoding="utf-8")
        text = written(page)
        if text != page:
            yield ROOT / name, text


if __name__ == "__main__":
    differing = list(stale())
    for path, text in differing:
        print(f"{path.relative_to(ROOT)}: figures differ from the rows")
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    sys.exit(bool(differing) and "--check" in sys.argv)
