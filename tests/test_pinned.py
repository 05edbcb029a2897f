"""Rules, searches and the simulator decide the same, bit for bit, on every machine."""

import pytest

from tests.pinned import digest, pinned, runs


def test_all_runs_are_pinned():
    assert list(pinned()) == list(runs())


@pytest.mark.parametrize("run", pinned(), ids=lambda run: " ".join(map(str, run)))
def test_a_run_gives_what_it_gave(run):
    assert digest(run) == pinned()[run]
