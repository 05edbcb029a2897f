"""Optima beside the rows of a board, and distances from them, against figures by hand."""

import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from go_gym.catalogue.instances import load
from go_gym.cli import app
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.optima import KNOWN, Known, columns, distances, impossible, keep_known
from go_gym.leaderboard.optima import read_known as read
from go_gym.leaderboard.tables import groups, headings, markdown
from tests.leaderboard.test_summary import ROW

A, B, OPEN = ("a" * 64, "c" * 64), ("b" * 64, "c" * 64), ("d" * 64, "c" * 64)
FACTS = {
    A: Known("planted:a", *A, 100, 100, "us"),
    B: Known("planted:b", *B, 200, 200, "us"),
    OPEN: Known("planted:o", *OPEN, 100, 150, "us"),
}


def row(key, step, **more):
    given = {"graph_hash": key[0], "cluster_hash": key[1], "graph": key[0][0], **more}
    return replace(ROW, step_time_ns=step, **given)


ROWS = [
    row(A, 100, seed=0, wall_seconds=1.0),
    row(A, 120, seed=1, wall_seconds=2.0),
    row(B, 210, seed=0, wall_seconds=3.0),
    row(OPEN, 149, seed=0),
    row(A, 150, agent="b", valid=False),
    row(("e" * 64, "c" * 64), 1),
]


def test_distances_by_hand():
    first, second = distances(ROWS, FACTS)
    assert (first.agent, first.instances, first.optimal, first.seconds) == ("a", 2, 1, 2.0)
    assert first.mean_gap == pytest.approx((0.1 + 0.05) / 2)
    assert first.half_width == pytest.approx(12.7062 * 0.025, rel=1e-4)  # t of one degree, 97.5 %
    assert first.cells[3:6] == ("50.0%", "7.50%", "0.00% to 39.27%")
    assert (second.agent, second.optimal) == ("b", 0)
    assert second.cells[3:6] == ("0.0%", "", "")


def test_columns_stand_where_an_optimum_is_known():
    assert columns(A, 120, FACTS) == ("0.0001", "20.00%")
    assert columns(OPEN, 120, FACTS) == ("0.0001 to 0.00015", "")
    assert columns(("e" * 64, "c" * 64), 1, FACTS) == ("", "")
    assert headings() == headings({}) and headings(FACTS)[-2:] == ("optimum (ms)", "gap to optimum")
    cells = groups(ROWS, FACTS)["placement", "a", "c", "fifo"]
    assert [each[-2:] for each in cells] == [("0.0001", "10.00%"), ("0.0001", "50.00%")]
    assert "gap to optimum" in markdown(ROWS, FACTS) and "optimum" not in markdown(ROWS)


def test_a_row_that_beats_what_is_possible_is_named():
    assert impossible(ROWS, FACTS) == []
    (said,) = impossible([row(OPEN, 99), row(A, 99, valid=False)], FACTS)
    assert said == "a on planted:o: 99 ns, but no step takes less than 100 ns (us)"


def test_the_file_comes_back(tmp_path):
    assert read(tmp_path) == {}
    instances = [load("planted:30-4-0"), load("planted:30-4-1-free")]
    keep_known(instances[:1], tmp_path)
    keep_known(instances, tmp_path)
    found = {entry.instance: entry for entry in read(tmp_path).values()}
    assert sorted(found) == ["planted:30-4-0", "planted:30-4-1-free"]
    assert found["planted:30-4-0"].optimum_ns == instances[0].optimum_ns


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lower_ns", "lowest_ns", "line 1: expected the columns"),
        (",75000,75000,", ",75000,x,", "line 2: expected hashes and whole numbers"),
        (",75000,75000,", ",75000,7,", "line 2: no optimum from 75000 to 7 ns"),
        (",75000,75000,", ",75000,", "line 2: expected hashes"),
    ],
)
def test_what_is_malformed_is_named(tmp_path, old, new, said):
    keep_known([load("planted:30-4-0")], tmp_path)
    text = (tmp_path / KNOWN).read_text()
    assert old in text
    (tmp_path / KNOWN).write_text(text.replace(old, new))
    with pytest.raises(LeaderboardError, match=re.escape(said)):
        read(tmp_path)


def test_run_and_leaderboard_tell_the_distance(tmp_path):
    out = tmp_path / "optima"
    words = ["-a", "heft", "-a", "single-device", "-g", "planted:30-4-0", "-c", "own"]
    ran = CliRunner().invoke(app, ["run", *words, "--out", str(out)])
    assert ran.exit_code == 0 and "optimum" in ran.output, ran.output
    said = CliRunner().invoke(app, ["leaderboard", str(out)])
    assert said.exit_code == 0 and "distance from the optima of planted" in said.output
    assert "0.075" in said.output
    assert CliRunner().invoke(app, ["verify", str(out)]).exit_code == 0
