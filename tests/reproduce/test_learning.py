"""``go-gym curves``: the curves of runs, their mean and interval."""

import re
import shutil

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from go_gym.cli import app
from go_gym.reproduce import learning
from go_gym.reproduce.learning import mean_interval, save_learning_curves


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of runs: annealing under three seeds, and a rule; cross-entropy under two."""
    base = tmp_path_factory.mktemp("runs")
    for name, agents, seeds in (("a", ["sa", "metis"], 3), ("b", ["cem"], 2)):
        flags = [part for agent in agents for part in ("--agent", agent)]
        flags += [part for seed in range(seeds) for part in ("--seed", str(seed))]
        line = "run --graph planted:20-2-0 --cluster own --budget 60 --out"
        found = CliRunner().invoke(app, [*line.split(), str(base / name), *flags])
        assert found.exit_code == 0, found.output
    return base / "a", base / "b"


def test_the_command_draws_all_runs(folders, tmp_path):
    picture = tmp_path / "new" / "curves.png"
    line = ["curves", *map(str, folders), "-o", str(picture)]
    found = CliRunner().invoke(app, line)
    assert found.exit_code == 0, found.output
    assert "sa: 3 curves" in found.output and "cem: 2 curves" in found.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    for wrong, told in (([], "no results.csv"), (["--graph", "none"], "no curve of placement")):
        where = str(tmp_path) if not wrong else str(folders[0])
        found = CliRunner().invoke(app, ["curves", where, "-o", str(picture), *wrong])
        assert found.exit_code == 2 and re.search(told, found.output), found.output


def test_what_is_drawn_are_the_runs_curves(folders, tmp_path, monkeypatch):
    tables = []

    def watched(table):
        tables.append(table)
        return mean_interval(table)

    monkeypatch.setattr(learning, "mean_interval", watched)
    counts = save_learning_curves(tmp_path / "x.png", folders, agents=["sa"])
    assert counts == {"sa": 3}
    best = tables[0]
    assert best.shape[0] == 3 and (np.diff(best, axis=1) <= 0).all()
    from go_gym.leaderboard.store import Board

    rows = [row for row in Board.read(folders[0]).rows if row.agent_name == "sa"]
    ends = {row.seed: row.step_time_ns / 1e6 for row in rows if row.priorities == "fifo"}
    assert sorted(best[:, -1]) == pytest.approx(sorted(ends.values()))


def test_the_interval_is_students():
    table = np.exp(np.random.default_rng(0).normal(size=(5, 7)))
    line, low, high = mean_interval(table)
    expected = stats.ttest_1samp(np.log(table), 0).confidence_interval(0.95)
    np.testing.assert_allclose(line, stats.gmean(table))
    np.testing.assert_allclose(low, np.exp(expected.low))
    np.testing.assert_allclose(high, np.exp(expected.high))


def test_the_same_job_in_two_folders_is_refused(folders, tmp_path):
    shutil.copytree(folders[1], tmp_path / "copy")
    with pytest.raises(learning.LeaderboardError, match="draw them apart"):
        save_learning_curves(tmp_path / "x.png", [folders[1], tmp_path / "copy"])
