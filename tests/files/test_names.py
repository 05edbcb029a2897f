"""The rule of names, against what was tried by people who wanted to be taken for others."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.agent import agent_entry_points
from go_gym.catalogue import datasets
from go_gym.errors import GoGymError
from go_gym.files import check_name, confusable, is_name, skeleton

IMPOSTORS = [
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "x | 9.999 | 1 | yes |",
    "![](http:evil)",
    "<!-- leaderboard:end -->",
    "./human-expert",
    "../p100x2/human-expert",
    "go\u202e",
    "go\u009b",
    "go\u2028",
    "go\u200b",
    "g\u043e",  # Cyrillic o
    "\uff47\uff4f",  # full width
    "go ",
    " go",
    "",
    "..",
    "=cmd|calc!A0",
    "-rf",
    "x" * 200,
]


@pytest.mark.parametrize("name", IMPOSTORS)
def test_impostors_and_markup_are_no_names(name):
    assert not is_name(name)
    with pytest.raises(GoGymError, match="expected a letter or digit"):
        check_name(name, "agent")


def test_names_that_there_are_are_names_and_look_like_no_other():
    agents, graphs = list(agent_entry_points()), datasets.names()
    assert all(map(is_name, [*agents, *graphs, "go:start=best,priorities=critical-path"]))
    assert not list(confusable(agents)) and not list(confusable(graphs))


@pytest.mark.parametrize("other", ["GO", "g0", "Go", "G0"])
def test_a_name_that_looks_like_another_is_told(other):
    assert list(confusable([other], ["go", "sa"])) == [(other, "go")]
    assert list(confusable(["go", other])) == [(other, "go")]


@given(st.text(alphabet=string.printable + "оӏ​‮é", max_size=20))
def test_what_is_a_name_is_plain_ascii_and_stays_in_its_folder(text):
    if is_name(text):
        assert text.isascii() and text.isprintable() and not set(text) & set(" /\\<>|`'\"()[]&*#@")
        assert text[0].isalnum() and skeleton(text) == skeleton(text.upper())
