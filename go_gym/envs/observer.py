"""Observations of the user's own: a space, and a function of problem, decision and result."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result


@dataclass(frozen=True)
class View:
    """What an observation may show.

    Attributes:
        problem: what is decided about.
        decision, result: the last ones, None before an episode's first.
        entries: gives the environment's own observation, a Dict of arrays; its work is done
            only when it is called.
    """

    problem: Problem
    decision: Decision | None
    result: Result | None
    entries: Callable[[], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Observer:
    """What an environment shows instead of its Dict: ``gym.make(…, observe=Observer(…))``.

    Attributes:
        space: of the observations, or a function of the environment's problems that gives it.
        of: the observation of a View; of ``space``.
    """

    space: spaces.Space[Any] | Callable[[Sequence[Problem]], spaces.Space[Any]]
    of: Callable[[View], Any]

    def space_of(self, problems: Sequence[Problem]) -> spaces.Space[Any]:
        """The space for an environment of these problems; raises GoGymError for none."""
        found = self.space if isinstance(self.space, spaces.Space) else self.space(problems)
        if not isinstance(found, spaces.Space):
            raise GoGymError(f"observe: space is {found!r}, expected a space of Gymnasium's")
        return found

    def seen(self, view: View, space: spaces.Space[Any] | None) -> Any:
        """The observation, a copy; raises GoGymError if ``space`` is given and lacks it."""
        found = copy.deepcopy(self.of(view))
        if space is not None and not space.contains(found):
            raise GoGymError(f"observe: gave {found!r}, which is not of {space!r}")
        return found


def check_observer(observe: object) -> Observer | None:
    """``observe``, if it is an Observer or None; raises GoGymError for anything else."""
    if observe is None or isinstance(observe, Observer):
        return observe
    raise GoGymError(f"observe: {observe!r}, expected an Observer or None")
