"""The hardware track: measured rows beside the simulated ones, verified by measuring again."""

from dataclasses import replace

import pytest

from go_gym.cluster import load_cluster
from go_gym.errors import FileFormatError, HardwareError, LeaderboardError
from go_gym.leaderboard import hardware as track
from go_gym.leaderboard.run import Jobs, run
from go_gym.problem import Problem
from tests.hardware.models import program
from tests.hardware.requirements import runs_workers


@pytest.mark.slow
@runs_workers
def test_a_board_is_measured_and_measured_again(tmp_path):
    graph = program("rnnlm").graph
    problems = [Problem(graph, load_cluster(name)) for name in ("cpu2", "p100x2")]
    run(Jobs(("single-device",), tuple(problems)), tmp_path)
    (row,) = track.measure_board(tmp_path, steps=2)
    assert (row.cluster, row.agent, row.steps) == ("cpu2", "single-device", 2)
    assert "torch" in row.machine and "cpu" in row.machine
    assert track.read_measured(tmp_path / track.MEASURED) == [row]
    assert track.measure_board(tmp_path, steps=2) == [row]  # not measured twice
    table = (tmp_path / track.PAGE).read_text()
    assert table == track.page([row]) and "| single-device | fifo |" in table
    (tmp_path / track.PAGE).write_text(table.replace("single", "double"))
    assert "does not follow" in track.verify_board(tmp_path, steps=2)[0]
    (tmp_path / track.PAGE).unlink()

    def claim(spread=0.0, **changes):
        track.write_measured(tmp_path / track.MEASURED, [replace(row, spread=spread, **changes)])

    claim(step_ns=row.step_ns // 100)
    (issue,) = track.verify_board(tmp_path, steps=2)
    assert "measured again" in issue
    claim(decision="0" * 64)
    assert "no result" in track.verify_board(tmp_path, steps=2)[0]
    claim(machine="an abacus")
    with pytest.raises(HardwareError, match="an abacus"):
        track.verify_board(tmp_path, steps=2)
    claim(spread=100.0)
    assert track.verify_board(tmp_path, steps=2) == []
    file = tmp_path / "decisions.npz"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(FileFormatError, match=r"decisions\.npz: "):
        track.verify_board(tmp_path, steps=2)


def test_a_malformed_track_is_refused(tmp_path):
    path = tmp_path / track.MEASURED
    path.write_text("task,graph\n")
    with pytest.raises(LeaderboardError, match="line 1"):
        track.read_measured(path)
    path.write_text(",".join(track.COLUMNS) + "\nplacement\n")
    with pytest.raises(LeaderboardError, match="line 2"):
        track.read_measured(path)
