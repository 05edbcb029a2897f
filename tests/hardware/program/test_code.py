"""Steps as generated functions give what go_gym.capture's interpreter gives, bit by bit."""

import pytest
import torch

from go_gym.capture import inference_program
from go_gym.errors import HardwareError
from go_gym.hardware.program.code import compile_step
from tests.hardware.models import inputs_of, program


@pytest.mark.parametrize("family", ["rnnlm", "gnmt", "transformer-xl"])
def test_every_step_gives_what_the_interpreter_gives(family):
    """Each step is given the interpreter's own values, so that no difference can hide another."""
    made, given = program(family), inputs_of(family)
    values = [None] * made.graph.num_tensors
    results: list[tuple] = []
    called = 0
    with torch.no_grad():
        for step in made.steps:
            call = compile_step(made, step)
            if step.placeholder is not None:
                out = (given[step.placeholder],)
                assert call is None
            else:
                out = step.call([results[value.op][value.position] for value in step.inputs])
                assert (call is None) == (step.constant is not None)
            results.append(out)
            wanted = {
                tensor: value
                for tensor, value in zip(step.tensors, out, strict=True)
                if tensor >= 0
            }
            if call is None:
                values = [wanted.get(tensor, held) for tensor, held in enumerate(values)]
                continue
            call(values)
            called += 1
            for tensor, value in wanted.items():
                assert torch.equal(values[tensor], value), step.name
                assert values[tensor].stride() == value.stride(), step.name
    assert called > len(made.steps) / 2


def run(made, given):
    """The results of a program whose steps are called one after another."""
    values = [None] * made.graph.num_tensors
    with torch.no_grad():
        for step in made.steps:
            call = compile_step(made, step)
            if call is not None:
                call(values)
            elif step.placeholder is not None:
                values[step.tensors[0]] = given[step.placeholder]
            else:
                values[step.tensors[0]] = step.constant
    return {
        name: values[made.steps[value.op].tensors[value.position]]
        for name, value in made.outputs.items()
    }


class InPlace(torch.nn.Module):
    def forward(self, x):
        kept = x * 2
        changed = kept.clone()
        changed.add_(1)
        return changed * kept


def test_an_op_that_writes_in_place_leaves_other_readers_what_they_had():
    made = inference_program("in-place", InPlace, lambda: [torch.zeros(4)])
    x = torch.arange(4.0)
    (found,) = run(made, [x]).values()
    torch.testing.assert_close(found, (x * 2 + 1) * (x * 2), rtol=0, atol=0)
    assert torch.equal(x, torch.arange(4.0))


class ToItsInput(torch.nn.Module):
    def forward(self, x):
        return x.mul_(3) + 1


def test_an_input_of_the_program_is_never_written_to():
    made = inference_program("to-its-input", ToItsInput, lambda: [torch.zeros(4)])
    x = torch.ones(4)
    for _ in range(2):  # a second step begins with what the first began with
        assert all((found == 4).all() for found in run(made, [x]).values() if found.ndim)
    assert torch.equal(x, torch.ones(4))


class ThroughAView(torch.nn.Module):
    def forward(self, x):
        base = x * 2
        part = base[0]
        base.add_(1)
        return part + base


def test_a_view_of_what_is_written_to_is_refused():
    made = inference_program("view", ThroughAView, lambda: [torch.zeros(4, 4)])
    with pytest.raises(HardwareError, match="gives a view of"):
        run(made, [torch.zeros(4, 4)])


class Dropped(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.dropout(x + 1, 0.5, training=True)


def test_a_random_op_draws_by_its_number_whatever_was_drawn_before():
    made = inference_program("dropout", Dropped, lambda: [torch.zeros(64)])
    (first,) = run(made, [torch.zeros(64)]).values()
    torch.rand(7)
    (second,) = run(made, [torch.zeros(64)]).values()
    assert torch.equal(first, second)
    assert 0 < int((first == 0).sum()) < 64
