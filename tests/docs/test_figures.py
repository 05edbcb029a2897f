"""Measured figures in README and docs are those of the committed rows, and stand nowhere else."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FIGURE = re.compile(r"\d\.\d{2,}|\d ?(?:%|×(?! ?\d)|ms\b|times\b)")
SOURCE = re.compile(r"arXiv \d+\.\d+|Python \d\.\d+")
"""Digits that measure nothing; so do sizes, as 256 × 256."""
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
PROSE = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "datasets/README.md",
    "docs/agents.md",
    "docs/architecture.md",
    "docs/boards.md",
    "docs/cost-model.md",
    "docs/environments.md",
    "docs/glossary.md",
    "docs/hardware.md",
    "docs/index.md",
    "docs/results.md",
    "docs/start.md",
    "docs/training/README.md",
    "leaderboards/README.md",
]
"""Pages that people write; tables of results are written by their own commands."""


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "docs/figures/write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_are_those_of_the_rows(figures):
    assert [path.name for path, _ in figures.stale()] == []


def test_a_sentence_that_differs_from_the_rows_is_found(figures):
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert figures.written(page) == page
    changed = re.sub(r"one after another 0\.\d", "one after another 0.1", page)
    assert changed != page
    assert figures.written(changed) == page


@pytest.mark.parametrize("name", PROSE)
def test_no_figure_is_written_by_hand(figures, name):
    page = FENCED.sub("", (ROOT / name).read_text(encoding="utf-8"))
    page = SOURCE.sub("", figures.BLOCK.sub("", page))
    page = page.split("<!-- leaderboard:begin -->")[0]
    assert [line for line in page.splitlines() if FIGURE.search(line)] == []
