"""The committed experiments: their rows verify, and their tables follow from the rows."""

import shutil
from pathlib import Path

import pytest

from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from go_gym.reproduce.catalogue import experiment_of, experiments
from go_gym.reproduce.reproduce import EQUAL_TIME, report_only
from go_gym.runs.curves import curve_path, read_curve

BOARDS = Path(__file__).parent.parent.parent / "leaderboards"
NAMES = [name for name in experiments() if (BOARDS / name).is_dir()]
FOLDERS = [
    path.relative_to(BOARDS).as_posix()
    for name in NAMES
    for path in (BOARDS / name, BOARDS / name / EQUAL_TIME)
    if path.is_dir()
]


def test_the_main_table_is_there():
    assert "table2" in NAMES


@pytest.mark.parametrize("folder", FOLDERS)
def test_rows_verify(folder):
    report = verify(BOARDS / folder)
    assert report.ok, "\n".join(map(str, report.issues[:20]))
    assert report.rows > 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_there_are_the_files_of_the_rows_and_no_others(folder):
    """Each row's decision, and the curve of each that made calls, which ends on its step time."""
    path = BOARDS / folder
    rows = read_rows(path / RESULTS)
    decisions = {path / row.decision for row in rows}
    assert decisions == {each for each in (path / "decisions").rglob("*") if each.is_file()}
    curves = set()
    for row in rows:
        curve = curve_path(path, row.task, row.graph, row.cluster, row.agent, row.seed)
        curves.add(curve)
        points = read_curve(curve).improvements if curve.exists() else ()
        assert points or not row.valid or row.budget_used == 0, curve
        if row.priorities in ("fifo", "own") and points:
            assert points[-1].step_time_ns >= row.step_time_ns
    assert curves >= {each for each in (path / "curves").rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_tables_follow_from_the_rows(name, tmp_path):
    copy = tmp_path / name
    shutil.copytree(BOARDS / name, copy)
    report_only(experiment_of(name).changed(), copy)
    for file in (f"{name}.md", f"{name}-curves.csv"):
        made, kept = ((folder / name / file).read_text() for folder in (tmp_path, BOARDS))
        machine = " cores, "  # the one line that names the machine
        assert [line for line in made.splitlines() if machine not in line] == [
            line for line in kept.splitlines() if machine not in line
        ]


def test_agents_are_of_one_version_within_a_table():
    for name in NAMES:
        rows = read_rows(BOARDS / name / RESULTS)
        versions = {(row.agent, row.agent_version) for row in rows}
        assert len(versions) == len({agent for agent, _ in versions}), name
