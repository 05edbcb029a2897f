"""Optimizers as functions of parameter, gradient and state, so that an update can be traced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

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
        first = states["first_moment"] * BETA1 + gradient * (1 - BETA1)
        second = states["second_moment"] * BETA2 + gradient * gradient * (1 - BETA2)
        size = torch.sqrt(second / (1 - BETA2)) + EPSILON
        return [parameter - first / size * (self.learning_rate / (1 - BETA1)), first, second]


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent without momentum."""

    learning_rate: float = LEARNING_RATE

    def states(self, name: str, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    def update(
        self,
        name: str,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        states: Mapping[str, torch.Tensor],
    ) -> list[torch.Tensor]:
        return [parameter - gradient * self.learning_rate]
