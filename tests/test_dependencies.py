"""The lowest versions that are tested are the lowest that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTED = ("capture", "exact", "learn", "record", "test")


def test_the_lowest_versions_are_those_that_are_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for name in TESTED for each in project["optional-dependencies"][name]]
    allowed = {}
    for each in (*project["dependencies"], *extras):
        name, bound = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", each).groups()
        allowed[name] = bound
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert sorted(pins) == sorted(allowed)
    for name, bound in allowed.items():
        assert f"{pins[name]}.".startswith(f"{bound}."), name
