"""The committed boards: how many rows they have, that these verify, and what is made of them."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from go_gym.baselines import default
from go_gym.baselines.metis import metis_placement
from go_gym.leaderboard import hardware
from go_gym.leaderboard.rerun import rerun
from go_gym.leaderboard.store import CURVES, DECISIONS, Board
from go_gym.leaderboard.verify import verify
from go_gym.reproduce.catalogue import experiment_of, experiments
from go_gym.reproduce.pictures import shown_in
from go_gym.reproduce.reproduce import EQUAL_TIME, report_only
from go_gym.simulator import VERSION

BOARDS = Path(__file__).parent.parent.parent / "leaderboards"
ROWS = {
    "": 1330,
    "fig5": 210,
    "fig6": 150,
    "hardware": 4,
    "table2": 1372,
    f"table2/{EQUAL_TIME}": 586,
    "table3": 96,
    "simulator-2/fig6": 48,
    "simulator-2/table2": 462,
    "simulator-2/table3": 40,
}
"""Rows of each board; of those of version 1, unchanged since they were files of their own."""
NAMES = [name for name in experiments() if (BOARDS / name).is_dir()]
MOST_FILES, MOST_BYTES = 80, 20 * 10**6


def test_every_board_is_counted():
    found = {path.parent.relative_to(BOARDS).as_posix() for path in BOARDS.rglob("results.csv")}
    assert {name.removeprefix(".") for name in found} == set(ROWS)
    assert set(NAMES) <= set(ROWS) and "table2" in NAMES


@pytest.mark.parametrize("folder", ROWS)
def test_rows_verify(folder, monkeypatch):
    """Whatever METIS is installed: no partition is made."""
    monkeypatch.setattr(default, "metis_placement", lambda _: pytest.fail("METIS was asked"))
    report = verify(BOARDS / folder)
    assert report.ok, "\n".join(map(str, report.issues[:20]))
    assert report.rows == ROWS[folder]


LOCKED = re.search(r"^pymetis==(\S+)$", (BOARDS.parent / "constraints.txt").read_text(), re.M)


@pytest.mark.skipif(
    version("pymetis") != LOCKED[1], reason="another METIS than that of constraints.txt"
)
def test_kept_defaults_are_those_of_the_locked_metis():
    board = Board.read(BOARDS)
    chosen = {row.graph: row for row in board.rows if row.default_decision}
    assert set(chosen) == {"gnmt-4", "gnmt-8", "transformer-xl-8"}
    for row in chosen.values():
        kept = board.default_placement(row)
        assert np.array_equal(kept, metis_placement(board.problem(row))), row.key


@pytest.mark.parametrize("folder", ROWS)
def test_the_containers_hold_what_the_rows_name_and_no_more(folder):
    board = Board.read(BOARDS / folder)
    named = {row.decision for row in board.rows} | {row.default_decision for row in board.rows}
    assert board.decisions.hashes() == sorted(named - {""})
    assert board.curves.hashes() == sorted({row.curve for row in board.rows} - {""})
    for store in (board.decisions, board.curves):
        for key in store.hashes():
            store.get(key)
    kinds = {path.name for path in (BOARDS / folder).glob("*.npz")}
    assert kinds <= {f"{DECISIONS}.npz", f"{CURVES}.npz"}


@pytest.mark.parametrize("folder", ROWS)
def test_curves_end_on_what_their_rows_say(folder):
    """Every run's answer is one that it evaluated; the main board's runs kept no curves."""
    board = Board.read(BOARDS / folder)
    for row in board.rows:
        if row.priorities in ("fifo", "own") and row.valid and row.budget_used:
            if row.curve:
                assert board.curve(row).improvements[-1].step_time_ns == row.step_time_ns
            else:
                assert folder == "", row.key


def test_the_boards_are_small():
    files = [path for path in BOARDS.rglob("*") if path.is_file()]
    assert len(files) <= MOST_FILES
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_pictures_follow_from_the_rows(name, tmp_path):
    """A stale one is written anew by ``go-gym reproduce NAME --report-only --out FOLDER``."""
    copy = tmp_path / name
    shutil.copytree(BOARDS / name, copy)
    for path in copy.glob("*.png"):
        path.unlink()
    report_only(experiment_of(name).changed(), copy)
    made, kept = (folder / name / f"{name}.md" for folder in (tmp_path, BOARDS))
    machine = " cores, "  # the one line that names the machine
    assert [line for line in made.read_text().splitlines() if machine not in line] == [
        line for line in kept.read_text().splitlines() if machine not in line
    ]
    pictures = sorted(path.name for path in copy.glob("*.png"))
    assert pictures == sorted(path.name for path in (BOARDS / name).glob("*.png")) != []
    for picture in pictures:
        digest = shown_in(copy / picture)
        assert len(digest) == 64 and shown_in(BOARDS / name / picture) == digest, picture


def test_the_hardware_page_follows_from_its_rows():
    folder = BOARDS / "hardware"
    rows = hardware.read_measured(folder / hardware.MEASURED)
    assert (folder / hardware.PAGE).read_text() == hardware.page(rows)
    results = {row.key: row for row in Board.read(folder).rows}
    assert all(results[row.key].decision == row.decision for row in rows) and rows


@pytest.mark.parametrize(
    ("folder", "agent", "graph"),
    [
        ("", "heft-contention", "gnmt-2"),
        ("", "metis", "rnnlm-2"),
        ("", "one-by-one", "rnnlm-2"),
    ],
)
def test_exact_rows_come_out_the_same_when_run_again(folder, agent, graph):
    board = Board.read(BOARDS / folder)
    row = next(row for row in board.rows if (row.agent_name, row.graph) == (agent, graph))
    assert row.simulator_version == VERSION and bool(row.curve) == (row.budget_used > 0)
    assert rerun(board, row) == []


def test_agents_are_of_one_version_within_a_table():
    for name in NAMES:
        rows = Board.read(BOARDS / name).rows
        versions = {(row.agent_name, row.agent_version) for row in rows}
        assert len(versions) == len({agent for agent, _ in versions}), name


def test_the_readme_s_python_runs(monkeypatch):
    monkeypatch.chdir(BOARDS.parent)
    blocks = re.findall(r"```python\n(.*?)```", (BOARDS / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
