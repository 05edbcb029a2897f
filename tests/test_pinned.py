"""Rules, searches and the simulator decide the same, bit for bit, on every machine."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.pinned import digest, pinned, runs

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
ASK_METIS = ("metis", "sa:start=best")
"""Other versions of METIS part otherwise, so that a run of these holds for one version alone."""


def test_all_runs_are_pinned():
    assert list(pinned()) == list(runs())


@pytest.mark.parametrize("run", pinned(), ids=lambda run: " ".join(map(str, run)))
def test_a_run_gives_what_it_gave(run):
    wanted = re.search(r"^pymetis==(.+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if run.agent in ASK_METIS and wanted and version("pymetis") != wanted[1]:
        pytest.skip(f"pinned with pymetis {wanted[1]}, {version('pymetis')} is installed")
    assert digest(run) == pinned()[run]
