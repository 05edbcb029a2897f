"""Names of agents: kinds, options, and what older boards call them."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from go_gym.agent import (
    ENTRY_POINT_GROUP,
    FORMER_NAMES_GROUP,
    former_names,
    joined,
    kind_and_options,
)

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("group", [ENTRY_POINT_GROUP, FORMER_NAMES_GROUP])
def test_what_is_installed_is_what_the_project_declares(group):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {entry.name: entry.value for entry in entry_points(group=group)}
    declared = project["entry-points"][group]
    assert declared.items() <= installed.items(), (
        "stale: rm -rf go_gym.egg-info; python -m pip install --no-deps --editable ."
    )


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("metis", "metis", ""),
        ("go:start=best", "go", "start=best"),
        ("go:paper", "go", "paper"),
        ("sa-from-best-scheduled", "sa", "priorities=critical-path,start=best"),
        ("go-zero-shot", "go", "zero-shot"),
        ("go-without-move-head", "go", "without=move-head"),
        ("sb3-ppo", "sb3", ""),
        ("random-priorities", "random-priorities", ""),
    ],
)
def test_a_name_is_a_kind_and_its_options(name, kind, options):
    assert kind_and_options(name) == (kind, options)
    assert kind_and_options(joined(kind, options)) == (kind, options)


def test_names_of_today_are_no_names_of_before():
    assert not {kind_and_options(name)[0] for name in former_names()} & set(former_names())
