"""Optimizers as functions of parameter, gradient and state, so that an update can be traced."""

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from go_gym.errors import CaptureError

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
"""Adam's defaults (Kingma and Ba 2015)."""


class Optimizer(Protocol):
    """How one parameter is updated. States are named, and stand in a fixed order."""

    def states(self, name: str, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        """The tensors kept for the parameter of that name between steps, by their names."""
        ...

    def update(
        self,
        name: str,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        states: Mapping[str, torch.Tensor],
    ) -> list[torch.Tensor]:
        """The new parameter, and the new states in the order of ``states``."""
        ...


@dataclass(frozen=True)
class Adam:
    """The first step of Adam (Kingma and Ba 2015, algorithm 1)."""

    learning_rate: float = LEARNING_RATE

    def states(self, name: str, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        """See :meth:`Optimizer.states`."""
        return {
            "first_moment": torch.empty_like(parameter),
            "second_moment": torch.empty_like(parameter),
        }

    def update(
        self,
        name: str,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        states: Mapping[str, torch.Tensor],
    ) -> list[torch.Tensor]:
        """See :meth:`Optimizer.update`."""
        first = states["first_moment"] * BETA1 + gradient * (1 - BETA1)
        second = states["second_moment"] * BETA2 + gradient * gradient * (1 - BETA2)
        size = torch.sqrt(second / (1 - BETA2)) + EPSILON
        return [parameter - first / size * (self.learning_rate / (1 - BETA1)), first, second]


class TorchOptimizer:
    """An optimizer of ``torch.optim``, parameter by parameter, at its first step."""

    def __init__(
        self,
        kind: type[torch.optim.Optimizer],
        settings: Mapping[str, Mapping[str, Any]],
        common: Mapping[str, Any],
    ) -> None:
        """``settings`` by parameter name; ``common`` for a parameter that is not named there."""
        self.kind, self.settings, self.common = kind, settings, common

    def states(self, name: str, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        """See :meth:`Optimizer.states`."""
        leaf, optimizer = self._alone(name, parameter)
        optimizer.step()
        return {key: value for key, value in optimizer.state[leaf].items() if _is_kept(value)}

    def update(
        self,
        name: str,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        states: Mapping[str, torch.Tensor],
    ) -> list[torch.Tensor]:
        """See :meth:`Optimizer.update`."""
        leaf, optimizer = self._alone(name, parameter)
        leaf.grad = gradient
        optimizer.state[leaf] = {**_numbers(), **states}
        optimizer.step()
        return [leaf.detach(), *(optimizer.state[leaf][key] for key in states)]

    def _alone(
        self, name: str, parameter: torch.Tensor
    ) -> tuple[torch.Tensor, torch.optim.Optimizer]:
        leaf = parameter.detach().requires_grad_()
        leaf.grad = torch.zeros_like(leaf)
        optimizer = self.kind([leaf], **self.settings.get(name, self.common))
        for group in optimizer.param_groups:
            group.update({key: False for key in PLAIN if key in group})
        return leaf, optimizer


def _numbers() -> dict[str, torch.Tensor]:
    return {key: torch.tensor(value) for key, value in FIRST_STEP.items()}


FIRST_STEP = {"step": 0.0, "mu_product": 1.0}
"""The plain numbers that torch.optim keeps beside its tensors, before the first step."""
PLAIN = ("foreach", "fused", "capturable")
"""Settings of torch.optim that choose among implementations of one update."""


@dataclass(frozen=True)
class HeldOptimizer:
    """An optimizer that a program steps itself.

    Attributes:
        optimizer: as the program made it.
        names: of the parameters that it updates, by their ids.
        states: the tensors that it keeps, by ``key:parameter``.
    """

    optimizer: torch.optim.Optimizer
    names: Mapping[int, str]
    states: Mapping[str, torch.Tensor]

    @classmethod
    def of(
        cls,
        optimizer: torch.optim.Optimizer,
        name_of: Mapping[int, str],
        values: Mapping[str, torch.Tensor],
    ) -> "HeldOptimizer":
        """The optimizer, given the name of each parameter by its id, and tensors like them.

        Raises:
            CaptureError: for an optimizer of other parameters, or that cannot be captured.
        """
        kind = _of_instance(optimizer, name_of)
        states = {
            f"{key}:{name}": state
            for name in kind.settings
            for key, state in kind.states(name, values[name]).items()
        }
        names = {key: name for key, name in name_of.items() if name in kind.settings}
        return cls(optimizer, names, states)

    @contextmanager
    def on(
        self, leaves: Mapping[str, torch.Tensor], states: Mapping[str, torch.Tensor]
    ) -> Iterator[None]:
        """Let it update these leaves and states, parameter by parameter, in place of its own."""
        groups, state = self.optimizer.param_groups, self.optimizer.state
        plain = [
            {
                **group,
                **{key: False for key in PLAIN if key in group},
                "params": [leaves[self.names[id(parameter)]] for parameter in group["params"]],
            }
            for group in groups
        ]
        self.optimizer.param_groups = plain
        self.optimizer.state = defaultdict(dict)
        for label, tensor in states.items():
            if label in self.states:
                key, name = label.split(":", 1)
                self.optimizer.state[leaves[name]].setdefault(key, tensor)
        for kept in self.optimizer.state.values():
            kept.update(_numbers())
        try:
            yield
        finally:
            self.optimizer.param_groups, self.optimizer.state = groups, state


def _is_kept(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0


def optimizer_of(given: Any, model: torch.nn.Module) -> Optimizer:
    """The functional optimizer for what a user names, gives the class of, or has made.

    Raises:
        CaptureError: for anything else, and an optimizer of other parameters.
    """
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    if isinstance(given, type) and issubclass(given, torch.optim.Optimizer):
        return _checked(TorchOptimizer(given, {}, {}))
    if isinstance(given, torch.optim.Optimizer):
        return _of_instance(given, {id(each): name for name, each in model.named_parameters()})
    raise CaptureError(
        f"optimizer {given!r}: expected {', '.join(map(repr, NAMED))}, a class of torch.optim, or "
        "an instance of one"
    )


NAMED: dict[str, Optimizer] = {
    "adam": TorchOptimizer(torch.optim.Adam, {}, {}),
    "sgd": TorchOptimizer(torch.optim.SGD, {}, {}),
}


def _of_instance(given: torch.optim.Optimizer, names: Mapping[int, str]) -> TorchOptimizer:
    """The functional optimizer for one that is made; ``names`` of parameters by their ids."""
    known = set(inspect.signature(type(given)).parameters) - {"params"}
    settings = {}
    for group in given.param_groups:
        options = {key: value for key, value in group.items() if key in known}
        for parameter in group["params"]:
            if id(parameter) not in names:
                raise CaptureError("the optimizer holds a parameter that is not the model's")
            settings[names[id(parameter)]] = options
    common = {key: value for key, value in given.defaults.items() if key in known}
    return _checked(TorchOptimizer(type(given), settings, common))


def _checked(optimizer: TorchOptimizer) -> TorchOptimizer:
    """The optimizer, tried on a small parameter; raises CaptureError if it fails there."""
    try:
        with FakeTensorMode():
            optimizer.states("", torch.zeros(2, 2))
    except Exception as error:
        raise CaptureError(
            f"optimizer {optimizer.kind.__name__} cannot be captured: {error}; expected one that "
            "updates each parameter from its own dense gradient"
        ) from error
    return optimizer
