"""Names of agents: kinds, presets and options, and what older boards call them."""

import tomllib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.agent import (
    ENTRY_POINT_GROUP,
    FORMER_NAMES_GROUP,
    canonical_name,
    find_agent,
    former_names,
    joined,
    kind_and_options,
    load_agent,
    option,
    registry,
    track_of,
)
from go_gym.agent.options import read_options, written
from go_gym.errors import AgentError

ROOT = Path(__file__).parent.parent.parent


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
        ("go:weights=untrained", "go", "weights=untrained"),
        ("go:paper", "go", "paper"),
        ("sa-from-best-scheduled", "sa", "priorities=critical-path,start=best"),
        ("go-paper", "go", "paper"),
        ("go-scheduled", "go", "priorities=critical-path"),
        ("sb3-ppo", "sb3", ""),
        ("random-priorities", "random-priorities", ""),
    ],
)
def test_a_name_is_a_kind_and_its_options(name, kind, options):
    assert kind_and_options(name) == (kind, options)
    assert kind_and_options(joined(kind, options)) == (kind, options)


def test_former_names_lead_to_canonical_names():
    assert not set(former_names().values()) & set(former_names())
    for name in former_names().values():
        assert canonical_name(name) == name


@dataclass(frozen=True)
class Options:
    start: Literal["scratch", "best"] = option("scratch", "where it starts")
    most_units: int = option(64, "units", least=1)
    learning_rate: float = option(0.001, "of Adam", least=0)
    moves: bool = option(True, "whether it moves")

    def __post_init__(self):
        if self.start == "best" and not self.moves:
            raise ValueError("start=best goes with moves=yes alone")


class Searcher:
    """Searches.

    And more.
    """

    version = "1"
    Options = Options
    presets: ClassVar = {"quick": f"{__name__}:Quick", "lost": f"{__name__}:NoSuchClass"}

    def __init__(self, options: Options):
        self.options = options

    def solve(self, problem, budget, seed):
        raise NotImplementedError


class Quick(Searcher):
    """Searches quickly."""

    Options = None

    def __init__(self):
        super().__init__(Options(most_units=1))

    def track(self, problem):
        return "generalising"


class Fixed(Searcher):
    track = "tuned"


class Plain:
    version = "1"

    def solve(self, problem, budget, seed):
        raise NotImplementedError


@pytest.fixture
def installed(monkeypatch):
    classes = {"seek": "Searcher", "plain": "Plain", "fixed": "Fixed"}
    values = {name: f"{__name__}:{each}" for name, each in classes.items()}
    entries = [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("seek", "seek"),
        ("seek:start=scratch", "seek"),
        ("seek:start=best,most-units=8", "seek:most-units=8,start=best"),
        ("seek:moves=no,learning-rate=1e-3", "seek:moves=no"),
        ("seek:learning-rate=0.01", "seek:learning-rate=0.01"),
        ("seek:learning-rate=1e30", "seek:learning-rate=1e30"),
        ("seek:most-units=0064", "seek"),
        ("seek:quick", "seek:quick"),
        ("plain", "plain"),
    ],
)
def test_all_names_of_an_agent_have_one_canonical_name(name, canonical):
    assert canonical_name(name) == canonical_name(canonical) == canonical


@pytest.mark.usefixtures("installed")
def test_an_agent_gets_the_options_of_its_name():
    agent = load_agent("seek:start=best,most-units=8")
    assert agent.options == Options("best", 8)
    assert load_agent("seek").options == Options()
    assert type(load_agent("seek:quick")) is Quick
    assert track_of(load_agent("seek:quick"), None) == "generalising"
    assert track_of(agent, None) == track_of(load_agent("plain"), None) == "tuned"


@pytest.mark.usefixtures("installed")
def test_what_there_is_is_told():
    found = find_agent("seek:moves=no")
    assert found.summary == "Searches."
    assert [each.name for each in found.declared] == [
        *("start", "most-units", "learning-rate", "moves")
    ]
    assert [each.expected for each in found.declared] == [
        "one of scratch, best",
        "a whole number from 1",
        "a number from 0",
        "one of yes, no",
    ]
    assert find_agent("seek:quick").declared == () == find_agent("plain").declared


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seek:strat=best", "no option 'strat'; did you mean start? it has start, most-units, "),
        ("seek:start=bset", "option start is 'bset', expected one of scratch, best"),
        ("seek:most-units=0", "option most-units is '0', expected a whole number from 1"),
        ("seek:most-units=8.5", "option most-units is '8.5', expected a whole number from 1"),
        ("seek:learning-rate=nan", "option learning-rate is 'nan', expected a number from 0"),
        ("seek:learning-rate=-1", "option learning-rate is '-1', expected a number from 0"),
        ("seek:moves=True", "option moves is 'True', expected one of yes, no"),
        ("seek:moves=no,start=best", "start=best goes with moves=yes alone"),
        ("seek:moves=no,moves=no", "option moves is given twice"),
        ("seek:slow", "no preset 'slow'; it has quick, lost"),
        ("seek:quick,start=best", "it has no options, start given"),
        ("seek:quick,lost", "presets quick and lost; expected one at most"),
        ("seek:lost", "cannot be loaded: AttributeError("),
        ("plain:a=b", "it has no options, a given"),
        ("plain:quick", "no preset 'quick'; it has none"),
        *((name, "expected KIND, KIND:PRESET or") for name in ("", ":", "a:", "a:b=", "a:=b")),
        *((name, "expected KIND, KIND:PRESET or") for name in ("a:b,", "a:b:c", "a b", "../a")),
        ("nobody:start=best", "no agent 'nobody': installed are fixed, plain, seek"),
        ("fixed", "track is no method that takes a problem"),
    ],
)
def test_a_name_of_no_agent_is_refused_in_one_line_that_says_what_is_right(name, message):
    with pytest.raises(AgentError) as caught:
        load_agent(name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@given(
    st.builds(
        Options,
        st.just("scratch"),
        st.integers(1),
        st.floats(0, allow_nan=False, allow_infinity=False),
        st.booleans(),
    )
)
def test_what_is_written_is_read_again(options):
    given = dict(item.split("=") for item in written(options).split(",") if item)
    assert read_options(Options, given, "seek") == options


def test_options_of_other_types_are_refused():
    @dataclass(frozen=True)
    class Strange:
        path: str = "x"

    with pytest.raises(AgentError, match=r"Strange\.path: .*expected bool, int, float or a Lit"):
        read_options(Strange, {}, "seek")


def test_options_are_written_by_name():
    changed = Options(start="best", most_units=3, learning_rate=0.5)
    assert written(changed) == "learning-rate=0.5,most-units=3,start=best"
