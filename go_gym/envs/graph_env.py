"""What all environments share: problems, baseline, observation, information, state, pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from go_gym.baselines.default import baseline
from go_gym.catalogue.problems import GraphLike, PlacementLike, resolve_problems
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend, resolve_backend, run_baseline
from go_gym.envs.copy_on_write import SharedArrays
from go_gym.envs.episode import Episode, restored
from go_gym.envs.observations import static_part
from go_gym.envs.observer import Observer, View, check_observer
from go_gym.envs.rewards import RewardLike, resolve_reward
from go_gym.envs.room import RoomLike, room_for
from go_gym.envs.units import Units
from go_gym.errors import GoGymError
from go_gym.problem import Problem
from go_gym.simulator import simulate

Observation = dict[str, np.ndarray]
UNDECIDED: dict[str, Any] = {
    "step_time_ns": -1,
    "speedup": 0.0,
    "valid": False,
    "reason": "nothing decided yet",
    "bytes_moved": 0,
}
"""The information before an episode's first decision; the memory is zeros."""


# Wide: what the arguments of all environments are kept as, and what is worked out of them once
class GraphEnv(gymnasium.Env[Observation, Any], ABC):
    """An environment about computation graphs; subclasses say what an action decides.

    Its episodes are values: the methods that take an :class:`Episode` change nothing, so that a
    vector environment can hold many episodes and share the rest.

    Attributes:
        problems: what episodes are about.
        units: what is seen and decided of each problem.
        sizes: room for the largest of them, or what ``room`` asks for.
        infos: ``"all"``, or ``"numbers"``: without texts.
        observe: what is shown instead of the Dict, None for the Dict.
        episode: the present one.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012
    task: ClassVar[str]

    def __init__(
        self,
        graph: GraphLike,
        cluster: str | Path | Cluster,
        reward: RewardLike,
        backend: str | Backend,
        render_mode: str | None,
        groups: int | None,
        room: RoomLike,
        infos: str,
        observe: Observer | None,
        placement: PlacementLike = None,
    ) -> None:
        if infos not in ("all", "numbers"):
            raise GoGymError(f"infos {infos!r}: expected 'all' or 'numbers'")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise GoGymError(f"render_mode {render_mode!r}: expected None, 'ansi' or 'rgb_array'")
        self.backend = resolve_backend(backend)
        self._own_backend = isinstance(backend, str)
        self.reward, self.infos, self.observe = (
            resolve_reward(reward),
            infos,
            check_observer(observe),
        )
        self.groups = groups
        self.problems = resolve_problems(graph, cluster, self.task, placement)
        self.units = [self.units_of(problem) for problem in self.problems]
        self.sizes = room_for(self.units, room, cluster, self.task, placement, self.units_of)
        self.render_mode = render_mode
        self._static: dict[int, SharedArrays] = {}
        self._baseline: dict[int, int] = {}
        self.episode = Episode()

    @property
    def problem(self) -> Problem:
        """The problem of this episode."""
        return self.problems[self.episode.chosen]

    @property
    def baseline_ns(self) -> int:
        """The step time of this problem's baseline, valid or not, in ns."""
        return self.baseline_ns_of(self.episode.chosen)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; ``options={"graph": …}`` chooses among several graphs, by its name or
        its number among ``problems``; raises GoGymError for one that is not there."""
        super().reset(seed=seed)
        self.episode = self.begin(self.choose(options, self.np_random))
        return self.observation(self.episode), self.info(self.episode)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take a decision; raises DecisionError for one of a wrong shape, dtype or range."""
        [(self.episode, reward)] = self.advance([self.episode], [action])
        done = self.ended(self.episode)
        return self.observation(self.episode), reward, done, False, self.info(self.episode)

    def close(self) -> None:
        """End what a backend holds that was made here; a later step begins it again."""
        if self._own_backend and hasattr(self.backend, "close"):
            self.backend.close()

    # -- what an episode and an action mean

    def units_of(self, problem: Problem) -> Units:
        """What is seen and decided of a problem: its ops, or at most ``groups`` groups of them."""
        return Units.of(problem, self.groups)

    def show(self, space: spaces.Dict) -> None:
        """Make ``space``, or what ``observe`` says, the observation space."""
        shown = space if self.observe is None else self.observe.space_of(self.problems)
        self.observation_space = shown  # type: ignore[assignment]  # of whatever is shown

    def action_masks(self, memory: bool = False) -> np.ndarray:
        """Which choices the next action has, flat bool, as MaskablePPO of sb3-contrib reads them.

        (devices,) where one device is decided, else (sum of ``action_space.nvec``,), the choices
        of each entry after another; of entries beyond a graph's own only choice 0.

        Args:
            memory: leave out devices on which a unit cannot fit, because of the parameters of
                itself and, step-wise, of the units that this pass has put there before it. A
                step on them would be out of memory whatever follows; others may be, too. Where no
                device is left, all are.
        """
        return self.masks(self.episode, memory)

    @abstractmethod
    def masks(self, episode: Episode, memory: bool) -> np.ndarray:
        """:meth:`action_masks` of an episode."""

    @abstractmethod
    def begin(self, chosen: int) -> Episode:
        """A new episode about a problem."""

    @abstractmethod
    def advance(
        self, episodes: Sequence[Episode], actions: Sequence[Any]
    ) -> list[tuple[Episode, float]]:
        """Each episode one action later, and its reward; raises DecisionError or GoGymError."""

    @abstractmethod
    def length_of(self, chosen: int) -> int:
        """How many actions an episode about a problem has."""

    @abstractmethod
    def changing(self, episode: Episode) -> Observation:
        """The part of the observation that changes within an episode; arrays of its own."""

    def ended(self, episode: Episode) -> bool:
        """Is the episode over?"""
        return episode.round >= self.length_of(episode.chosen)

    def check_running(self, episodes: Sequence[Episode]) -> None:
        """Raise GoGymError if one of ``episodes`` is over."""
        if any(self.ended(episode) for episode in episodes):
            raise GoGymError("the episode has ended: call reset() before step()")

    def choose(self, options: dict[str, Any] | None, generator: np.random.Generator) -> int:
        """The number of the problem that an episode is about."""
        if not isinstance(options, Mapping | None) or set(options or {}) - {"graph"}:
            raise GoGymError(f"options: {options!r}, expected none but 'graph'")
        wanted = (options or {}).get("graph")
        if wanted is None:
            return draw(self.problems, generator)
        if isinstance(wanted, int | np.integer) and 0 <= wanted < len(self.problems):
            return int(wanted)
        names = [problem.graph.name for problem in self.problems]
        if isinstance(wanted, str) and names.count(wanted) == 1:
            return names.index(wanted)
        if wanted in names:
            raise GoGymError(f"options['graph']: {wanted!r} names several graphs: give a number")
        raise GoGymError(
            f"options['graph']: {wanted!r}, expected 0 to {len(names) - 1} or one of "
            f"{', '.join(dict.fromkeys(names))}"
        )

    def baseline_ns_of(self, chosen: int) -> int:
        """The baseline's step time on a problem, at least 1 ns."""
        if chosen not in self._baseline:
            problem = self.problems[chosen]
            result = run_baseline(self.backend, problem, baseline(problem))
            self._baseline[chosen] = max(result.step_time_ns, 1)
        return self._baseline[chosen]

    def observation(self, episode: Episode) -> Any:
        """What the agent sees, sharing no memory with any other observation."""
        if self.observe is None:
            return self.entries(episode)
        problem = self.problems[episode.chosen]
        view = View(problem, episode.decision, episode.result, lambda: self.entries(episode))
        return self.observe.seen(view, None if episode.round else self.observation_space)

    def entries(self, episode: Episode) -> Observation:
        """The Dict of arrays that is seen unless ``observe`` says otherwise."""
        return self.static_of(episode.chosen).fresh() | self.changing(episode)

    def static_of(self, chosen: int) -> SharedArrays:
        """The part of the observation that stays while a problem lasts."""
        if chosen not in self._static:
            self._static[chosen] = SharedArrays(static_part(self.units[chosen], self.sizes))
        return self._static[chosen]

    def info(self, episode: Episode) -> dict[str, Any]:
        """The information of the environment's docstring; deterministic.

        The keys and the types of their values are always the same, so that it can be recorded
        (Minari) and batched; ``UNDECIDED`` says what stands for what there is not yet. With
        ``infos="numbers"`` texts are left out, which TorchRL cannot batch, and ``graph_number``
        says which of ``problems`` it is.
        """
        problem, result = self.problems[episode.chosen], episode.result
        baseline_ns = self.baseline_ns_of(episode.chosen)
        info: dict[str, Any] = {
            "graph": problem.graph.name,
            "cluster": problem.cluster.name,
            "baseline_ns": baseline_ns,
            "best_step_time_ns": -1 if episode.best_ns is None else episode.best_ns,
        }
        if result is None:
            memory = np.zeros(problem.num_devices, dtype=np.int64)
            return self._shown(info | UNDECIDED | {"peak_memory": memory}, episode)
        shown = info | {
            "step_time_ns": result.step_time_ns,
            "speedup": baseline_ns / max(result.step_time_ns, 1) if result.valid else 0.0,
            "valid": result.valid,
            "reason": result.reason,
            "peak_memory": result.peak_memory.copy(),
            "bytes_moved": result.bytes_moved,
        }
        return self._shown(shown, episode)

    def _shown(self, info: dict[str, Any], episode: Episode) -> dict[str, Any]:
        """``info`` as it is, or its numbers, with that of the graph for its name."""
        if self.infos == "all":
            return info
        numbers = {key: value for key, value in info.items() if not isinstance(value, str)}
        return numbers | {"graph_number": episode.chosen}

    # -- saving and restoring

    @property
    def shared_arrays(self) -> list[SharedArrays]:
        """The static parts of observations that are there: open files, which copies share."""
        return list(self._static.values())

    def __getstate__(self) -> dict[str, Any]:
        """Without the observation's static part, which is an open file and is rebuilt."""
        return {**self.__dict__, "_static": {}}

    def get_state(self) -> Mapping[str, Any]:
        """What :meth:`set_state` needs to go on from here, generator included.

        Not what wrappers hold, such as TimeLimit's count: :func:`go_gym.fork` copies these too.
        """
        entries = {field.name: getattr(self.episode, field.name) for field in fields(Episode)}
        return {"episode": entries, "generator": self.np_random.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that :meth:`get_state` gave, here or in an equal environment.

        Raises GoGymError, and changes nothing, for one of an environment with other arguments.
        """
        episode = restored(state, self.problems)
        if not 0 <= episode.round <= self.length_of(episode.chosen):
            raise GoGymError(
                f"state: round {episode.round}, expected 0 to {self.length_of(episode.chosen)}"
            )
        try:
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise GoGymError(f"state: generator: {error!r}") from None
        self.episode = episode

    # -- pictures

    def render(self) -> Any:
        """``ansi``: a few lines of text; ``rgb_array``: the last decision's Gantt chart, uint8
        (height, width, 3), empty before the first: simulated, with the step time that it had."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            from go_gym.render.gantt import empty_pixels, gantt_pixels

            if self.episode.decision is None:
                return empty_pixels(self.problem)
            traced = simulate(self.problem, self.episode.decision, trace=True)
            assert self.episode.result is not None
            result = replace(self.episode.result, trace=traced.trace)
            return gantt_pixels(self.problem, self.episode.decision, result)
        return None

    def _text(self) -> str:
        graph, cluster, result = self.problem.graph, self.problem.cluster, self.episode.result
        length = self.length_of(self.episode.chosen)
        lines = [
            f"{graph.name} ({graph.num_ops:,} ops) on {cluster.name}, round "
            f"{self.episode.round} of {length}; baseline {self.baseline_ns / 1e6:.3f} ms"
        ]
        if result is not None:
            verdict = "valid" if result.valid else result.reason
            lines.append(f"step time {result.step_time_ns / 1e6:.3f} ms, {verdict}")
            for device, busy, peak in zip(
                cluster.devices, result.busy_ns, result.peak_memory, strict=True
            ):
                share = busy / max(result.step_time_ns, 1)
                lines.append(f"  {device.name:<12} busy {share:6.1%}  peak {peak / 1e9:8.3f} GB")
        return "\n".join(lines)


def check_whole(label: str, value: Any, low: int, high: int) -> None:
    """Raise GoGymError unless ``value`` is a whole number from ``low`` to ``high``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise GoGymError(f"{label}: {value!r}, expected a whole number from {low:,} to {high:,}")


def draw(problems: list[Problem], generator: np.random.Generator) -> int:
    """Number of the problem of the next episode."""
    return 0 if len(problems) == 1 else int(generator.integers(len(problems)))
