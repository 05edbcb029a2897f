"""The committed experiments: their rows verify, and their tables follow from the rows."""

import shutil
from pathlib import Path

import pytest

from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from go_gym.reproduce.catalogue import EXPERIMENTS
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.reproduce import write_report
from go_gym.reproduce.table2 import CLUSTER_OF

BOARDS = Path(__file__).parent.parent.parent / "leaderboards"
NAMES = [name for name in EXPERIMENTS if (BOARDS / name).is_dir()]


def as_run(name: str, rows) -> Experiment:
    """The experiment with the graphs, agents and seeds that there are rows of."""
    whole = EXPERIMENTS[name]
    ran = {row.graph for row in rows}
    graphs = [graph for graph in CLUSTER_OF if graph in ran]
    return whole.changed(
        graphs=graphs,
        clusters=[CLUSTER_OF[graph] for graph in graphs],
        agents=[agent for agent in whole.agents if agent in {row.agent for row in rows}],
        seeds=sorted({row.seed for row in rows}),
        budget=max(row.budget for row in rows),
    )


def test_the_main_table_is_there():
    assert "table2" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_rows_verify(name):
    report = verify(BOARDS / name)
    assert report.ok, "\n".join(map(str, report.issues[:20]))
    assert report.rows > 0


@pytest.mark.parametrize("name", NAMES)
def test_tables_follow_from_the_rows(name, tmp_path):
    copy = tmp_path / name
    shutil.copytree(BOARDS / name, copy)
    rows = read_rows(copy / RESULTS)
    write_report(as_run(name, rows), copy, rows, [])
    for file in (f"{name}.md", f"{name}-curves.csv"):
        made, kept = ((folder / name / file).read_text() for folder in (tmp_path, BOARDS))
        machine = " cores, "  # the one line that names the machine
        assert [line for line in made.splitlines() if machine not in line] == [
            line for line in kept.splitlines() if machine not in line
        ]
