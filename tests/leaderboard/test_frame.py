"""Rows as a table: against pandas' own reader of the file, and medians against plain loops."""

import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.leaderboard.frame import PROBLEM, frame, over_seeds
from go_gym.leaderboard.schema import COLUMNS, RESULTS
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.tables import groups
from tests.leaderboard.test_summary import ROW

FOLDER = Path(__file__).parents[2] / "leaderboards" / "table2"


def test_it_is_what_pandas_reads_from_the_file():
    read = pd.read_csv(FOLDER / RESULTS, keep_default_na=False, dtype={"agent_version": str})
    if "budget_seconds" not in read:  # written before budgets had a clock
        read.insert(COLUMNS.index("budget_seconds"), "budget_seconds", 0.0)
    found = Board.read(FOLDER).frame()
    names = found.pop("agent_name")
    pd.testing.assert_frame_equal(found, read, check_dtype=False)
    numbers = found.drop(columns="valid").select_dtypes("number")
    assert set(map(str, numbers.dtypes)) == {"int64", "float64"}
    assert str(found.valid.dtype) == "bool"
    assert {"go:paper", "sa:start=best", "heft"} <= set(names)


def test_no_rows_are_a_table_too():
    assert list(frame([]).columns) == [*COLUMNS, "agent_name"] and frame([]).empty
    assert over_seeds(frame([])).empty and groups([]) == {}


ROWS = st.builds(
    lambda agent, options, graph, seed, step, memory, valid: replace(
        ROW,
        agent=agent,
        options=options,
        graph=graph,
        seed=seed,
        step_time_ns=step,
        peak_memory_bytes=memory,
        valid=valid,
    ),
    st.sampled_from("ab"),
    st.sampled_from(["", "start=best"]),
    st.sampled_from("gh"),
    st.integers(0, 5),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=20, unique_by=lambda row: row.key))
def test_medians_over_seeds_by_plain_loops(rows):
    found = over_seeds(frame(rows))
    keys = [(*(getattr(row, name) for name in PROBLEM), row.agent_name) for row in rows]
    lines = found.set_index([*PROBLEM, "agent_name"])
    assert list(lines.index) == sorted(set(keys))
    for key, line in zip(lines.index, lines.itertuples(index=False), strict=True):
        mine = [row for row, other in zip(rows, keys, strict=True) if other == key]
        assert line.step_time_ns == statistics.median(row.step_time_ns for row in mine)
        assert line.peak_memory_bytes == statistics.median(row.peak_memory_bytes for row in mine)
        assert line.valid_seeds == sum(row.valid for row in mine)
        assert (line.seeds, line.valid) == (len(mine), all(row.valid for row in mine))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=20, unique_by=lambda row: row.key))
def test_valid_agents_stand_before_others_each_by_step_time(rows):
    for (_, graph, _, _), table in groups(rows).items():
        mine = {row.agent_name for row in rows if row.graph == graph}
        assert sorted(line[0] for line in table) == sorted(mine)
        order = []
        for line in table:
            seeds = [row for row in rows if (row.graph, row.agent_name) == (graph, line[0])]
            step = statistics.median(row.step_time_ns for row in seeds)
            order.append((not all(row.valid for row in seeds), step, line[0]))
            assert line[1] == f"{step / 1e6:.3f}"
            count = sum(row.valid for row in seeds)
            one = "yes" if count else "no"
            assert line[-1] == (one if len(seeds) == 1 else f"{count} of {len(seeds)}")
        assert order == sorted(order)


@pytest.mark.parametrize("code", ["import go_gym.leaderboard", "import go_gym.leaderboard.verify"])
def test_pandas_is_imported_when_a_table_is_made(code):
    check = f"{code}; import sys; assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
