"""The program of a graph: captured again, and refused if it is another's."""

import numpy as np
import pytest

from go_gym import ComputationGraph
from go_gym.errors import CaptureError, HardwareError
from go_gym.hardware.program.source import bare, program_of_graph, variant
from tests.hardware.models import FAULTY, SMALL, program


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    path = tmp_path_factory.mktemp("faulty") / "faulty.py"
    path.write_text(FAULTY)
    return f"{path}:works"


def test_a_graph_of_the_zoo_at_any_size_finds_its_program():
    graph = program("gnmt").graph
    found = program_of_graph(graph)
    assert found.graph.content_hash == graph.content_hash
    assert [step.name for step in found.steps] == [step.name for step in program("gnmt").steps]


def test_durations_make_no_other_graph():
    graph = program("gnmt").graph
    from dataclasses import replace

    timed = replace(
        graph, durations=np.ones((graph.num_ops, 1), dtype=np.int64), duration_kinds=("cpu-core",)
    )
    assert timed.content_hash != graph.content_hash
    assert bare(timed).content_hash == graph.content_hash
    assert program_of_graph(timed).graph.num_ops == graph.num_ops


def test_a_graph_without_its_program_is_refused(maker):
    made = ComputationGraph.from_costs([1, 1], [(0, 8)], [(0, 1)])
    with pytest.raises(HardwareError, match="has no program that could be run"):
        program_of_graph(made)
    with pytest.raises(HardwareError, match=r"is not what .* captures"):
        program_of_graph(program("rnnlm").graph, maker)
    with pytest.raises(CaptureError, match="no such file"):
        program_of_graph(made, "/nowhere.py:make")


def test_a_variant_has_the_settings_that_it_was_given():
    entry = variant("rnnlm", {**SMALL["rnnlm"], "hidden": 48})
    assert entry.settings.hidden == 48 and entry.settings.layers == SMALL["rnnlm"]["layers"]
    with pytest.raises(HardwareError, match="no setting 'colour'"):
        variant("rnnlm", {"layers": 2, "colour": 1})
    with pytest.raises(HardwareError, match="no family 'abacus'"):
        variant("abacus", {})
