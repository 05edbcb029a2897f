"""Messages of errors: one line that shows what is there and is of bounded length."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import go_gym
from go_gym.errors import MAX_MESSAGE, MAX_QUOTED, DecisionError, GoGymError, GraphError, visible


@given(st.text())
def test_no_message_holds_a_letter_that_acts_unseen(text):
    message = str(GoGymError(f"agent {text!r} and {text}"))
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.category(letter) in hidden for letter in message)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize("text", ["plain", "déjà", "日本", "a'b"])
def test_what_can_be_seen_stays(text):
    assert visible(text) == text and str(GoGymError(text)) == text


def test_quotes_and_messages_are_cut():
    long = "x" * 10_000
    quoted = str(GoGymError(f"agent {long!r}: no"))
    assert "x" * MAX_QUOTED in quoted and "x" * (MAX_QUOTED + 1) not in quoted
    assert quoted.endswith("…") or quoted.endswith("no")
    assert len(str(GoGymError(long))) == MAX_MESSAGE + 1


def test_apostrophes_are_no_quotes():
    words = "word " * 100
    text = f"the agent's answer: {words}and the device's"
    assert str(GoGymError(text)) == text


def test_masked_arrays_are_refused():
    masked = np.ma.array([0, 1, 0], mask=[False, True, False])
    with pytest.raises(DecisionError, match="placement: a masked array"):
        go_gym.Decision(masked)
    with pytest.raises(DecisionError, match="fusion: a masked array"):
        go_gym.Decision([0, 0, 0], fusion=masked)
    with pytest.raises(GraphError, match="a masked array"):
        go_gym.ComputationGraph.from_costs(masked, [], [])
    with pytest.raises(GraphError, match="a masked array"):
        go_gym.ComputationGraph.from_costs([1, 2], np.ma.array([[0, 1]]), [(0, 1)])


def test_every_kind_of_error_is_a_name_of_the_package():
    kinds = {
        name
        for name, kind in vars(go_gym.errors).items()
        if isinstance(kind, type) and kind.__module__ == "go_gym.errors"
    }
    assert {"GoGymError", "DecisionError", "CaptureWarning"} <= kinds <= set(go_gym.__all__)
    assert all(getattr(go_gym, name) is getattr(go_gym.errors, name) for name in kinds)
