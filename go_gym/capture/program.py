"""The captured program, executable, with the op numbering of its graph."""

import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import map_aggregate, map_arg

from go_gym.capture.columns import graph_of
from go_gym.capture.trace import AFTER, Traced
from go_gym.errors import CaptureError, CaptureWarning
from go_gym.graph import ComputationGraph


@dataclass(frozen=True)
class Value:
    """One output of an op: what a step takes as an input."""

    op: int
    position: int


@dataclass(frozen=True)
class Input:
    """What the program must be given at one position of its inputs."""

    role: str  # parameter, state (the optimizer's), buffer or input
    name: str  # "layer.weight", "first_moment:layer.weight", "running_mean", "0"
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Step:
    """One op. It takes an input of the program, holds a constant, or calls ``target``.

    Attributes:
        op: its number in the graph.
        name: its name in the graph.
        placeholder: the position in the program's inputs that it passes on, or None.
        constant: the tensor that it holds, or None.
        target: what it calls, or None. A getitem passes its input on, as does a placeholder.
        inputs: where its input tensors come from, each once, in order of first appearance, and
            last one that it only waits for.
        tensors: the graph's tensor number of each output position, -1 for one not asked for.
        args, kwargs: the arguments of the call, a :class:`Slot` in place of each tensor.
    """

    op: int
    name: str
    placeholder: int | None
    constant: torch.Tensor | None
    target: Any
    inputs: tuple[Value, ...]
    tensors: tuple[int, ...]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def call(self, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
        """Its outputs, by position, given the tensors of ``inputs`` in their order."""
        if self.target is None:
            return (self.constant if self.constant is not None else tensors[0],)
        args = [
            tensors[value.number] if type(value) is Slot else _filled(value, tensors)
            for value in self.args
        ]
        kwargs = {key: _filled(value, tensors) for key, value in self.kwargs.items()}
        result = self.target(*args, **kwargs)
        return tuple(result) if isinstance(result, list | tuple) else (result,)

    def on(self, device: torch.device | str) -> "Step":
        """The same step for another device: devices named in its arguments, and its constant."""
        place = torch.device(device)

        def moved(value: Any) -> Any:
            return place if isinstance(value, torch.device) else value

        return Step(
            op=self.op,
            name=self.name,
            placeholder=self.placeholder,
            constant=None if self.constant is None else self.constant.to(place),
            target=self.target,
            inputs=self.inputs,
            tensors=self.tensors,
            args=map_aggregate(self.args, moved),
            kwargs=map_aggregate(dict(self.kwargs), moved),
        )


@dataclass(frozen=True)
class Slot:
    """The place of an input tensor in a step's arguments."""

    number: int


def _filled(value: Any, tensors: Sequence[torch.Tensor]) -> Any:
    if type(value) is Slot:
        return tensors[value.number]
    if isinstance(value, list | tuple):
        return [_filled(item, tensors) for item in value]
    return value


@dataclass(frozen=True, eq=False)
class Program:
    """A captured program: run its steps in the graph's order, or each where and when you like.

    Attributes:
        graph: the computation graph; op ``i`` is ``steps[i]``.
        steps: one per op, in the graph's topological order.
        inputs: what it must be given, in order.
        outputs: its results by name: ``loss``, ``gradient:…``, ``parameter:…`` and the
            optimizer's states after the update; ``output:0``, … of a forward pass or function.
    """

    graph: ComputationGraph
    steps: tuple[Step, ...]
    inputs: tuple[Input, ...]
    outputs: Mapping[str, Value]

    def run(self, inputs: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Run every step once, in order, on the device where ``inputs`` are.

        The inputs may be written to where the program writes in place (running statistics).

        Raises:
            CaptureError: if the inputs are not those that the program takes.
        """
        self.check(inputs)
        left = self._uses_left()
        made: list[tuple[torch.Tensor | None, ...]] = [()] * len(self.steps)
        with torch.no_grad():
            for step in self.steps:
                if step.placeholder is not None:
                    made[step.op] = (inputs[step.placeholder],)
                    continue
                given = [made[value.op][value.position] for value in step.inputs]
                made[step.op] = step.call(given)  # type: ignore[arg-type]
                for value in step.inputs:
                    left[value.op] -= 1
                    if left[value.op] == 0:
                        made[value.op] = ()
        results = {name: made[value.op][value.position] for name, value in self.outputs.items()}
        return {name: result for name, result in results.items() if result is not None}

    def _uses_left(self) -> list[int]:
        """How many reads of each op are to come; one more than there are for the results."""
        left = [0] * len(self.steps)
        for step in self.steps:
            for value in step.inputs:
                left[value.op] += 1
        for value in self.outputs.values():
            left[value.op] += 1
        return left

    def check(self, inputs: Sequence[torch.Tensor]) -> None:
        """Raise CaptureError unless ``inputs`` have the number, shapes and dtypes expected."""
        if len(inputs) != len(self.inputs):
            raise CaptureError(f"{len(inputs)} inputs, expected {len(self.inputs)}")
        for number, (given, expected) in enumerate(zip(inputs, self.inputs, strict=True)):
            if tuple(given.shape) != expected.shape or given.dtype != expected.dtype:
                raise CaptureError(
                    f"input {number} ({expected.role} {expected.name}): {given.dtype} of shape "
                    f"{tuple(given.shape)}, expected {expected.dtype} of shape {expected.shape}"
                )

    def bind(
        self,
        model: torch.nn.Module,
        batch: Sequence[torch.Tensor],
        states: Mapping[str, torch.Tensor] | None = None,
    ) -> list[torch.Tensor]:
        """The inputs, in order: the model's tensors, the optimizer's states, and the batch.

        Args:
            model: has the parameters and buffers that the program names; they are copied.
            batch: the tensors of the model's inputs, in order.
            states: the optimizer's, by name; zeros where it has none.

        Warns, in one line, of what holds NaN: so does all that is computed from it, and no two runs
        can be compared by their results.
        """
        held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        given, known = iter(batch), states or {}
        bound = []
        for each in self.inputs:
            if each.role == "input":
                bound.append(next(given))
            elif each.role == "state":
                zeros = torch.zeros(each.shape, dtype=each.dtype)
                bound.append(known.get(each.name, zeros).detach().clone())
            else:
                bound.append(held[each.name].detach().clone())
        self._warn_of_nan(bound)
        return bound

    def _warn_of_nan(self, bound: Sequence[torch.Tensor]) -> None:
        """Say which input is the first that holds NaN, and how many there are."""
        bad = [
            f"{each.role} {each.name}"
            for each, tensor in zip(self.inputs, bound, strict=True)
            if not tensor.is_meta and bool(tensor.isnan().any())
        ]
        if bad:
            others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            warnings.warn(f"{bad[0]}{others}: NaN", CaptureWarning, stacklevel=3)

    def sample_inputs(self, seed: int = 0) -> list[torch.Tensor]:
        """Real tensors to run it on where values do not matter: floats normal with deviation
        0.02 (buffers 1), whole numbers 0, so that each is a valid index (our choice)."""
        random = torch.Generator().manual_seed(seed)
        return [_sample(each, random) for each in self.inputs]


def _sample(each: Input, random: torch.Generator) -> torch.Tensor:
    if not each.dtype.is_floating_point:
        return torch.zeros(each.shape, dtype=each.dtype)
    if each.role == "buffer":
        return torch.ones(each.shape, dtype=each.dtype)
    if each.role == "state":
        return torch.zeros(each.shape, dtype=each.dtype)
    return (0.02 * torch.randn(each.shape, generator=random)).to(each.dtype)


def program_of(traced: Traced, name: str, metadata: Mapping[str, Any]) -> Program:
    """The executable program and its graph.

    Raises:
        CaptureError: naming the node, for a node that is not supported, or a constant whose
            values were never there.
    """
    graph = graph_of(traced, name, metadata)
    nodes = [node for node in traced.module.graph.nodes if node.op != "output"]
    number = {nodes[source]: op for op, source in enumerate(graph.source_index.tolist())}
    ordered = [nodes[source] for source in graph.source_index.tolist()]
    placeholders = [node for node in nodes if node.op == "placeholder"]
    position = {node: index for index, node in enumerate(placeholders)}
    steps = tuple(_step(traced, graph, node, number, position) for node in ordered)
    inputs = tuple(
        Input(
            known.role,
            known.name.split(":", 1)[1] if known.role != "state" else known.name,
            tuple(node.meta["val"].shape),
            node.meta["val"].dtype,
        )
        for known, node in zip(traced.placeholders, placeholders, strict=True)
    )
    (output,) = (node for node in traced.module.graph.nodes if node.op == "output")
    results = {
        label: _value(node, number)
        for label, node in zip(traced.outputs, output.args[0], strict=True)
    }
    return Program(graph, steps, inputs, results)


def _value(node: Node, number: Mapping[Node, int]) -> Value:
    return Value(number[node], 0)


def _step(
    traced: Traced,
    graph: ComputationGraph,
    node: Node,
    number: Mapping[Node, int],
    position: Mapping[Node, int],
) -> Step:
    op = number[node]
    target, constant = None, None
    inputs: list[Value] = []
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if node.op == "get_attr":
        constant = _constant(traced, node)
    elif node.target is operator.getitem:
        source, index = node.args
        assert isinstance(source, Node) and isinstance(index, int)
        inputs = [Value(number[source], index)]
    elif node.op == "call_function":
        target = node.target
        places: dict[Value, int] = {}

        def slot(source: Node) -> Any:
            return Slot(places.setdefault(_value(source, number), len(places)))

        args, kwargs = map_arg(node.args, slot), map_arg(node.kwargs, slot)  # type: ignore[assignment]
        inputs = list(places)
        if AFTER in node.meta:  # it waits for this one and does not read it
            inputs = list(dict.fromkeys([*inputs, _value(node.meta[AFTER], number)]))
    return Step(
        op=op,
        name=graph.op_names[op],
        placeholder=position.get(node),
        constant=constant,
        target=target,
        inputs=tuple(inputs),
        tensors=tuple(_tensors(graph, node, op)),
        args=args,
        kwargs=kwargs,
    )


def _tensors(graph: ComputationGraph, node: Node, op: int) -> Iterator[int]:
    """The graph's tensor at each output position; a result not asked for has none."""
    numbers = iter(range(int(graph.op_tensor_ptr[op]), int(graph.op_tensor_ptr[op + 1])))
    out = node.meta.get("val")
    for value in out if isinstance(out, list | tuple) else [out]:
        yield -1 if value is None else next(numbers)


def _constant(traced: Traced, node: Node) -> torch.Tensor:
    value = getattr(traced.module, str(node.target))
    real = getattr(value, "constant", value)
    if not isinstance(real, torch.Tensor):
        raise CaptureError(
            f"constant {node.name!r} has a shape but no values: register it as a buffer"
        )
    return real
