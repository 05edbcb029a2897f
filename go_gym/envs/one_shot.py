"""What the one-shot environments share: every unit is decided in one action, for some rounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from go_gym.catalogue.problems import GraphLike, PlacementLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend
from go_gym.envs.episode import Episode
from go_gym.envs.graph_env import GraphEnv, Observation, check_whole
from go_gym.envs.observations import one_shot_space
from go_gym.envs.observer import Observer
from go_gym.envs.rewards import Outcome, RewardLike, earned
from go_gym.envs.room import RoomLike
from go_gym.envs.units import some_fit
from go_gym.errors import DecisionError, GoGymError, refuse_masked
from go_gym.problem import Decision
from go_gym.simulator import Result

MAX_LEVELS = 1_000_000
"""Most priority or fusion levels of an environment (our choice)."""


PRIORITY, ORDER = "priority", "order"
"""How an environment decides what runs first: ready queues, or strict sequences."""


class OneShotEnv(GraphEnv):
    """An environment whose action decides about every unit; subclasses say what is decided.

    An action is the decided columns one after the other, each padded to the largest graph.
    Subclasses spell out their arguments, though most are the same: a signature is where users of
    ``gym.make`` look for them.
    """

    def __init__(
        self,
        graph: GraphLike,
        cluster: str | Path | Cluster,
        choices: Mapping[str, int | None],
        reward: RewardLike,
        rounds: int,
        backend: str | Backend,
        render_mode: str | None,
        groups: int | None,
        room: RoomLike,
        infos: str,
        observe: Observer | None,
        placement: PlacementLike = None,
    ) -> None:
        """Args: those of the ids, and ``choices``: how many there are for each column that is
        decided, in the order of the action; None for the number of devices."""
        super().__init__(
            graph,
            cluster,
            reward,
            backend,
            render_mode,
            groups,
            room,
            infos,
            observe,
            placement,
        )
        check_whole("rounds", rounds, 1, 10_000)
        for column, count in choices.items():
            if count is not None:
                check_whole(f"levels of {column}", count, 2, MAX_LEVELS)
        self.rounds = rounds
        self.choices = {
            column: self.sizes.devices if count is None else count
            for column, count in choices.items()
        }
        self.action_space = spaces.MultiDiscrete(
            np.repeat(list(self.choices.values()), self.sizes.ops)
        )
        self.show(one_shot_space(self.sizes, rounds, self.choices))

    def begin(self, chosen: int) -> Episode:
        """An episode without a decision yet."""
        return Episode(chosen)

    def length_of(self, chosen: int) -> int:
        """As many steps as there are rounds."""
        return self.rounds

    def advance(
        self, episodes: Sequence[Episode], actions: Sequence[Any]
    ) -> list[tuple[Episode, float]]:
        """One call of the backend for each problem among the episodes."""
        self.check_running(episodes)
        decisions = [self.decision(e, a) for e, a in zip(episodes, actions, strict=True)]
        results = self._results(episodes, decisions)
        return [
            (before.after(decision, result), self.reward_of(before, decision, result))
            for before, decision, result in zip(episodes, decisions, results, strict=True)
        ]

    def _results(
        self, episodes: Sequence[Episode], decisions: Sequence[Decision]
    ) -> Sequence[Result]:
        if len(episodes) == 1:
            return [self.backend.run(self.problems[episodes[0].chosen], decisions[0])]
        results: dict[int, Result] = {}
        for chosen in sorted({episode.chosen for episode in episodes}):
            places = [i for i, episode in enumerate(episodes) if episode.chosen == chosen]
            batch = [decisions[i] for i in places]
            found = self.backend.run_batch(self.problems[chosen], batch)
            results |= dict(zip(places, found, strict=True))
        return [results[i] for i in range(len(episodes))]

    def decision(self, episode: Episode, action: Any) -> Decision:
        """The Decision that an action stands for; raises DecisionError."""
        refuse_masked("action", action, DecisionError)
        try:
            array = np.asarray(action)
        except ValueError as error:
            raise DecisionError(f"action: not an array of whole numbers: {error}") from None
        expected = (len(self.choices) * self.sizes.ops,)
        if array.shape != expected:
            raise DecisionError(f"action: shape {array.shape}, expected {expected}")
        problem, units = self.problems[episode.chosen], self.units[episode.chosen]
        columns: dict[str, Any] = {"placement": problem.placement}
        for part, column in zip(np.split(array, len(self.choices)), self.choices, strict=True):
            values, count = part[: units.count], self.choices[column]
            if values.dtype.kind in "iu" and (values.min() < 0 or values.max() >= count):
                unit = int(((values < 0) | (values >= count)).argmax())
                raise DecisionError(
                    f"{column}[{unit}]: {values[unit]} for {units.name(unit)}, "
                    f"expected 0 to {count - 1}"
                )
            levels = units.spread(values)
            columns[column] = in_sequence(levels) if column == ORDER else levels
        return Decision(**columns)

    def reward_of(self, before: Episode, decision: Decision, result: Result) -> float:
        """What a decision and its result earn after the episode ``before`` them."""
        baseline_ns = self.baseline_ns_of(before.chosen)
        previous = baseline_ns if before.previous_ns is None else before.previous_ns
        problem = self.problems[before.chosen]
        return earned(self.reward, Outcome(problem, decision, result, baseline_ns, previous))

    def masks(self, episode: Episode, memory: bool) -> np.ndarray:
        """See :meth:`action_masks`."""
        units, found = self.units[episode.chosen], []
        for column, count in self.choices.items():
            allowed = np.ones((self.sizes.ops, count), dtype=bool)
            allowed[units.count :, 1:] = False
            if memory and column == "placement":
                room = units.problem.cluster.memory_bytes
                allowed[: units.count] = some_fit(units.parameter_bytes[:, None] <= room)
            found.append(allowed.ravel())
        return np.concatenate(found)

    def changing(self, episode: Episode) -> Observation:
        """The last decision's columns, −1 before the first."""
        problem, units = self.problems[episode.chosen], self.units[episode.chosen]
        seen = {}
        for column in {"placement": None} | self.choices:
            values = problem.placement if column == "placement" else None
            if episode.decision is not None:
                values = getattr(episode.decision, column)
            seen[column] = np.full(self.sizes.ops, -1, dtype=np.int32)
            if values is not None:
                seen[column][: units.count] = units.gathered(np.asarray(values))
        seen["round"] = np.array([episode.round], dtype=np.int32)
        return seen


def urgency(decides: str) -> str:
    """The decision's column that an environment decides by urgency; raises GoGymError unless it is
    ``"priority"`` or ``"order"``."""
    if decides not in (PRIORITY, ORDER):
        raise GoGymError(f"decides {decides!r}: expected {PRIORITY!r} or {ORDER!r}")
    return decides


def in_sequence(levels: np.ndarray) -> np.ndarray:
    """(n,) int64 rank of each op in one sequence of all: the highest of ``levels`` (n,) first, ties
    in topological order."""
    rank = np.empty(len(levels), dtype=np.int64)
    rank[np.argsort(-levels, kind="stable")] = np.arange(len(levels))
    return rank
