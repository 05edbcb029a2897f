"""GO-PlacementSteps-v0: one group of ops placed a step, each move simulated (Placeto's MDP)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from go_gym.baselines.placements import human_expert, single_device
from go_gym.catalogue.problems import GraphLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend, local_search_of
from go_gym.envs.episode import Episode
from go_gym.envs.graph_env import GraphEnv, Observation, check_whole
from go_gym.envs.observations import static_space
from go_gym.envs.observer import Observer
from go_gym.envs.rewards import REWARDS, Outcome, RewardLike, earned
from go_gym.envs.room import RoomLike
from go_gym.envs.units import Units, some_fit
from go_gym.errors import DecisionError, GoGymError
from go_gym.partitions import attached_partition
from go_gym.problem import Decision, Problem
from go_gym.simulator import LocalSearch, Result

STARTS = {"single-device": single_device, "human-expert": human_expert}
STATE_FEATURES = ("done", "is_current", "relative_start")
"""Columns of ``unit_state`` before the one-hot placement: placed in this pass, to be placed now,
and (start − the current unit's start) / step time, which lies in [−1, 1]."""
PENALTY_PER_GB = 2.0
"""Placeto's weight of memory beyond the capacity."""


@dataclass(frozen=True)
class Walk(Episode):
    """An Episode with what makes its next move cheap; both can be made anew from the rest.

    Attributes:
        search: stands at this episode's decision, unless a copy of the episode has moved it on.
        starts: (n,) int64 ns, when each op starts.
    """

    search: LocalSearch | None = field(default=None, compare=False, repr=False)
    starts: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be made anew: a copy's moves are its own."""
        return {**self.__dict__, "search": None, "starts": None}


class PlacementStepsEnv(GraphEnv):
    """Walk over a computation graph and re-place one group of ops a step.

    ## Description
    Placeto's Markov decision process: an episode begins with a whole placement and walks over the
    graph's units in topological order, ``rounds`` times. Each step puts the current unit on a
    device, and the new placement is simulated at once. A unit is a group of ops; the default
    gives episodes of at most 64 steps a pass. Moving the second half of a chain away costs its
    transfer of 9 ns; bringing the first half after it earns that back:

    >>> import gymnasium as gym, go_gym
    >>> chain = go_gym.ComputationGraph.from_costs([5, 5], [(0, 9)], [(0, 1)])
    >>> pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
    >>> env = gym.make("GO-PlacementSteps-v0", graph=chain, cluster=pair, rounds=2)
    >>> _ = env.reset(seed=0)
    >>> [env.step(device)[4]["step_time_ns"] for device in (0, 1, 1, 1)]
    [10, 19, 10, 10]

    ## Action Space
    ``Discrete(devices)``: where the current unit goes.

    ## Observation Space
    A ``Dict`` of flat arrays: graph and devices as ``go_gym.envs.observations`` shows them to every
    task, a row a unit, and for ``o`` units and ``d`` devices:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | unit_state | (o · (3 + d),) float32 | a row a unit: ``STATE_FEATURES``, placement one-hot |
    | placement | (o,) int32 | the running placement, -1 beyond the graph's units |
    | current | (1,) int32 | the unit to be placed; the last one when the episode is over |
    | round | (1,) int32 | passes done |

    A unit starts when its longest op starts.

    ## Starting State
    Every unit where ``start`` puts it. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"improvement"`` (default): ρ before − ρ after the move, where ρ is the step time / the human
    expert's + 2 for each GB over a device's capacity: the sum over an episode is what the whole
    walk gained. ``"go"`` and ``"speedup"``: those of ``GO-Placement-v0`` for the last placement,
    0 before, as is a function's; a ``Reward`` with ``every_step`` comes at each step.

    ## Episode End
    Terminates after every unit was placed ``rounds`` times, the last one included. Never
    truncates by itself.

    ## Information
    As of ``GO-Placement-v0``, from the reset on.

    ## Arguments
    ``graph``: a name, split, family, file, folder, pattern, ``ComputationGraph``, or a list.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above, a ``go_gym.envs.rewards.Reward``, or a function of problem,
    decision and result. ``rounds``: passes over the graph (Placeto's K).
    ``groups``: at most how many units (``go_gym.partitions.bounded.bounded_partition``);
    None: as many as there are smallest groups (co-located ops, free ops with what they
    feed or view).
    ``start``: ``"single-device"`` or ``"human-expert"`` (each unit where the expert has its
    longest op).
    ``backend``: ``"simulator"``, ``"hardware"``, or a ``go_gym.envs.backends.Backend``.
    ``room``: None, or what the spaces have room for, the same for every environment with the same
    ``room`` and cluster: other graphs (as ``graph``), or (units, edges).
    ``infos``: ``"all"``, or ``"numbers"``: without texts.
    ``observe``: None, or a ``go_gym.envs.observer.Observer``: what is shown instead of the Dict.
    ``render_mode``: None, ``"ansi"`` or ``"rgb_array"``.

    ## References
    Addanki et al., Placeto: Learning Generalizable Device Placement Algorithms for Distributed
    Machine Learning, NeurIPS 2019. There ρ is in seconds; here it is relative to the expert's, so
    that graphs can be mixed (our choice).

    ## Version History
    v0: initial version.
    """

    task = "placement"

    # Every environment writes its arguments out: gym.make, help() and its page show these.
    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: RewardLike = "improvement",
        rounds: int = 1,
        backend: str | Backend = "simulator",
        render_mode: str | None = None,
        groups: int | None = 64,
        start: str = "single-device",
        room: RoomLike = None,
        infos: str = "all",
        observe: Observer | None = None,
    ) -> None:
        super().__init__(graph, cluster, reward, backend, render_mode, groups, room, infos, observe)
        check_whole("rounds", rounds, 1, 10_000)
        if not isinstance(start, str) or start not in STARTS:
            raise GoGymError(f"start {start!r}: expected one of {', '.join(STARTS)}")
        self.rounds, self.start = rounds, start
        units, devices = self.sizes.ops, self.sizes.devices
        self.action_space = spaces.Discrete(devices)
        columns = len(STATE_FEATURES) + devices
        self.show(
            spaces.Dict(
                {
                    **static_space(self.sizes),
                    "unit_state": spaces.Box(-1.0, 1.0, (units * columns,), np.float32),
                    "placement": spaces.Box(-1, max(devices - 1, 1), (units,), np.int32),
                    "current": spaces.Box(0, max(units - 1, 1), (1,), np.int32),
                    "round": spaces.Box(0, rounds, (1,), np.int32),
                }
            )
        )

    def units_of(self, problem: Problem) -> Units:
        """At most ``groups`` groups, or the smallest ones, since co-located ops move as one."""
        if self.groups is None:
            return Units(problem, attached_partition(problem))
        return super().units_of(problem)

    def length_of(self, chosen: int) -> int:
        """A step for each unit and round."""
        return self.rounds * self.units[chosen].count

    def begin(self, chosen: int) -> Walk:
        """An episode at the start's placement, which is simulated."""
        units = self.units[chosen]
        placement = units.spread(units.gathered(STARTS[self.start](units.problem)))
        search = local_search_of(self.backend, units.problem, Decision(placement))
        best = search.result.step_time_ns if search.result.valid else None
        return Walk(chosen, 0, search.decision, search.result, best, best, search, search.starts())

    def advance(
        self, episodes: Sequence[Episode], actions: Sequence[Any]
    ) -> list[tuple[Episode, float]]:
        """A move of each episode, through its own LocalSearch."""
        self.check_running(episodes)
        devices = [self._device(action) for action in actions]
        return [self._moved(e, device) for e, device in zip(episodes, devices, strict=True)]

    def _moved(self, episode: Episode, device: int) -> tuple[Walk, float]:
        units = self.units[episode.chosen]
        search = self._search(episode)
        search.move(units.members[episode.round % units.count], device)
        after = episode.after(search.decision, search.result)
        entries = {f.name: getattr(after, f.name) for f in fields(Episode)}
        walk = Walk(**entries, search=search, starts=search.starts())
        return walk, self._reward(episode, walk)

    def _search(self, episode: Episode) -> LocalSearch:
        """The episode's own, or a new one where it has none or another episode has moved it."""
        if episode.decision is None:
            raise GoGymError("no episode has begun: call reset() before step()")
        search = episode.search if isinstance(episode, Walk) else None
        if search is None or search.decision is not episode.decision:
            problem = self.problems[episode.chosen]
            search = local_search_of(self.backend, problem, episode.decision)
        return search

    def _reward(self, before: Episode, after: Episode) -> float:
        assert before.result is not None and after.result is not None
        assert after.decision is not None
        chosen = after.chosen
        if self.reward == REWARDS["improvement"]:
            return self._cost(chosen, before.result) - self._cost(chosen, after.result)
        if not (self.reward.every_step or self.ended(after)):
            return 0.0
        baseline_ns = self.baseline_ns_of(chosen)
        previous = baseline_ns if before.previous_ns is None else before.previous_ns
        outcome = Outcome(
            self.problems[chosen], after.decision, after.result, baseline_ns, previous
        )
        return earned(self.reward, outcome)

    def masks(self, episode: Episode, memory: bool) -> np.ndarray:
        """See :meth:`action_masks`."""
        units, devices = self.units[episode.chosen], self.sizes.devices
        if not memory or episode.decision is None or self.ended(episode):
            return np.ones(devices, dtype=bool)
        held, current = np.zeros(devices, dtype=np.int64), episode.round % units.count
        placement = units.gathered(np.asarray(episode.decision.placement))
        np.add.at(held, placement[:current], units.parameter_bytes[:current])
        room: np.ndarray = units.problem.cluster.memory_bytes
        return some_fit(held + units.parameter_bytes[current] <= room)

    def _cost(self, chosen: int, result: Result) -> float:
        """ρ: relative step time and a penalty for memory."""
        over = result.peak_memory - self.problems[chosen].cluster.memory_bytes
        gigabytes = float(np.maximum(over, 0).sum()) / 1e9
        return result.step_time_ns / self.baseline_ns_of(chosen) + PENALTY_PER_GB * gigabytes

    def changing(self, episode: Episode) -> Observation:
        """The placement, what is running when, and the unit that is next."""
        units, count = self.units[episode.chosen], self.units[episode.chosen].count
        assert episode.decision is not None and episode.result is not None
        starts = episode.starts if isinstance(episode, Walk) else None
        if starts is None:
            starts = self._search(episode).starts()
        over = self.ended(episode)
        place = count if over else episode.round % count
        current = min(place, count - 1)
        at = units.gathered(starts)
        state = np.zeros((self.sizes.ops, len(STATE_FEATURES) + self.sizes.devices), np.float32)
        state[:place, 0] = 1.0
        state[current, 1] = not over
        # starts are simulated, the step time may be measured and shorter
        state[:count, 2] = (at - at[current]) / max(episode.result.step_time_ns, int(np.ptp(at)), 1)
        placement = units.gathered(np.asarray(episode.decision.placement))
        state[np.arange(count), len(STATE_FEATURES) + placement] = 1.0
        shown = np.full(self.sizes.ops, -1, dtype=np.int32)
        shown[:count] = placement
        return {
            "unit_state": state.ravel(),
            "placement": shown,
            "current": np.array([current], dtype=np.int32),
            "round": np.array([episode.round // count], dtype=np.int32),
        }

    def _device(self, action: Any) -> int:
        if isinstance(action, bool | np.bool_) or not self.action_space.contains(action):
            raise DecisionError(
                f"action: {action!r}, expected a device from 0 to {self.sizes.devices - 1}"
            )
        return int(action)

    def set_state(self, state: Mapping[str, Any]) -> None:
        """As :meth:`GraphEnv.set_state`; moves go on from the state's placement."""
        entries = state.get("episode") if isinstance(state, Mapping) else None
        if isinstance(entries, Mapping) and entries.get("decision", True) is None:
            raise GoGymError(
                "state: without a placement: kept before reset(), or of another kind of environment"
            )
        super().set_state(state)
