"""What the one-shot environments share: every op is decided in one action, for some rounds."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from go_gym.cluster import Cluster
from go_gym.envs.backends import backend_named
from go_gym.envs.episode import Episode, restored
from go_gym.envs.observations import Sizes, space, static_part
from go_gym.envs.problems import GraphLike, PlacementLike, draw, resolve_problems
from go_gym.envs.rewards import Outcome, reward_named
from go_gym.envs.shared import SharedArrays
from go_gym.errors import DecisionError, GoGymError
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result
from go_gym.tasks import baseline

MAX_LEVELS = 1_000_000
"""Most priority or fusion levels of an environment (our choice)."""


class OneShotEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """An environment whose action decides about every op; subclasses say what is decided.

    An action is the decided columns one after the other, each padded to the largest graph. The
    methods that take an :class:`Episode` change nothing, so a vector environment can hold many
    episodes and share the rest.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012
    task: ClassVar[str]

    def __init__(
        self,
        graph: GraphLike,
        cluster: str | Path | Cluster,
        choices: Mapping[str, int | None],
        reward: str,
        rounds: int,
        backend: str,
        render_mode: str | None,
        placement: PlacementLike = None,
    ) -> None:
        """Args: those of the ids, and ``choices``: how many there are for each column that is
        decided, in the order of the action; None for the number of devices."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise GoGymError(f"render_mode {render_mode!r}: expected None, 'ansi' or 'rgb_array'")
        _check_whole("rounds", rounds, 1, 10_000)
        for column, count in choices.items():
            if count is not None:
                _check_whole(f"levels of {column}", count, 2, MAX_LEVELS)
        self.backend = backend_named(backend)
        self.reward = reward_named(reward)
        self.problems = resolve_problems(graph, cluster, self.task, placement)
        self.rounds = rounds
        self.render_mode = render_mode
        self.sizes = Sizes.of(self.problems, rounds)
        self.choices = {
            column: self.sizes.devices if count is None else count
            for column, count in choices.items()
        }
        self.action_space = spaces.MultiDiscrete(
            np.repeat(list(self.choices.values()), self.sizes.ops)
        )
        self.observation_space = space(self.sizes, self.choices)  # type: ignore[assignment]
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
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode; ``options={"graph": number}`` chooses among several graphs."""
        super().reset(seed=seed)
        self.episode = Episode(self.choose(options, self.np_random))
        return self.observation(self.episode), self.info(self.episode)

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Take a decision; raises DecisionError for one of a wrong shape, dtype or range."""
        before = self.episode
        if before.round >= self.rounds:
            raise GoGymError("the episode has ended: call reset() before step()")
        decision = self.decision(before, action)
        result = self.backend.run(self.problem, decision)
        reward = self.reward_of(before, result)
        self.episode = before.after(decision, result)
        done = self.episode.round >= self.rounds
        return self.observation(self.episode), reward, done, False, self.info(self.episode)

    # -- what an episode and an action mean

    def choose(self, options: dict[str, Any] | None, generator: np.random.Generator) -> int:
        """The number of the problem that an episode is about."""
        wanted = (options or {}).get("graph")
        if wanted is None:
            return draw(self.problems, generator)
        if isinstance(wanted, int | np.integer) and 0 <= wanted < len(self.problems):
            return int(wanted)
        raise GoGymError(f"options['graph']: {wanted!r}, expected 0 to {len(self.problems) - 1}")

    def decision(self, episode: Episode, action: Any) -> Decision:
        """The Decision that an action stands for; raises DecisionError."""
        try:
            array = np.asarray(action)
        except ValueError as error:
            raise DecisionError(f"action: not an array of whole numbers: {error}") from None
        expected = (len(self.choices) * self.sizes.ops,)
        if array.shape != expected:
            raise DecisionError(f"action: shape {array.shape}, expected {expected}")
        problem = self.problems[episode.chosen]
        columns: dict[str, Any] = {"placement": problem.placement}
        for part, column in zip(np.split(array, len(self.choices)), self.choices, strict=True):
            columns[column] = part[: problem.num_ops]
        decision = Decision(**columns)
        for column, count in self.choices.items():
            values = np.asarray(getattr(decision, column))
            bad = (values < 0) | (values >= count)
            if bad.any():
                op = int(bad.argmax())
                raise DecisionError(
                    f"{column}[{op}]: {values[op]} for op {problem.graph.op_names[op]!r}, "
                    f"expected 0 to {count - 1}"
                )
        return decision

    def reward_of(self, before: Episode, result: Result) -> float:
        """What ``result`` earns after the episode ``before`` it."""
        baseline_ns = self.baseline_ns_of(before.chosen)
        previous = baseline_ns if before.previous_ns is None else before.previous_ns
        return self.reward.of(Outcome(result, baseline_ns, previous))

    def baseline_ns_of(self, chosen: int) -> int:
        """The baseline's step time on a problem, at least 1 ns."""
        if chosen not in self._baseline:
            problem = self.problems[chosen]
            result = self.backend.run(problem, baseline(problem))
            self._baseline[chosen] = max(result.step_time_ns, 1)
        return self._baseline[chosen]

    def observation(self, episode: Episode) -> dict[str, np.ndarray]:
        """What the agent sees, sharing no memory with any other observation."""
        problem = self.problems[episode.chosen]
        if episode.chosen not in self._static:
            static = static_part(problem, self.sizes)
            self._static[episode.chosen] = SharedArrays(static)
        seen = self._static[episode.chosen].fresh()
        shown = {"placement": problem.placement} | dict.fromkeys(self.choices)
        for column, values in shown.items():
            if episode.decision is not None:
                values = getattr(episode.decision, column)
            seen[column] = np.full(self.sizes.ops, -1, dtype=np.int32)
            if values is not None:
                seen[column][: problem.num_ops] = values
        seen["round"] = np.array([episode.round], dtype=np.int32)
        return seen

    def info(self, episode: Episode) -> dict[str, Any]:
        """The information of the environment's docstring; deterministic."""
        problem, result = self.problems[episode.chosen], episode.result
        baseline_ns = self.baseline_ns_of(episode.chosen)
        info: dict[str, Any] = {
            "graph": problem.graph.name,
            "cluster": problem.cluster.name,
            "baseline_ns": baseline_ns,
        }
        if result is not None:
            info |= {
                "step_time_ns": result.step_time_ns,
                "speedup": baseline_ns / max(result.step_time_ns, 1),
                "valid": result.valid,
                "reason": result.reason,
                "peak_memory": result.peak_memory.copy(),
                "bytes_moved": result.bytes_moved,
                "best_step_time_ns": episode.best_ns,
            }
        return info

    # -- saving and restoring

    def __getstate__(self) -> dict[str, Any]:
        """Without the observation's static part, which is an open file and is rebuilt."""
        return {**self.__dict__, "_static": {}}

    def get_state(self) -> Mapping[str, Any]:
        """What :meth:`set_state` needs to go on from here, generator included."""
        entries = {field.name: getattr(self.episode, field.name) for field in fields(Episode)}
        return {"episode": entries, "generator": self.np_random.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that :meth:`get_state` gave, here or in an equal environment.

        Raises GoGymError, and changes nothing, for one of an environment with other arguments.
        """
        episode = restored(state, self.problems, self.rounds)
        try:
            self.np_random.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError) as error:
            raise GoGymError(f"state: generator: {error!r}") from None
        self.episode = episode

    # -- pictures

    def render(self) -> Any:
        """``ansi``: a few lines of text; ``rgb_array``: the last decision's Gantt chart, uint8
        (height, width, 3), empty before the first."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            from go_gym.render.gantt import empty_pixels, gantt_pixels

            if self.episode.decision is None:
                return empty_pixels(self.problem)
            result = self.backend.run(self.problem, self.episode.decision, trace=True)
            return gantt_pixels(self.problem, self.episode.decision, result)
        return None

    def _text(self) -> str:
        graph, cluster, result = self.problem.graph, self.problem.cluster, self.episode.result
        lines = [
            f"{graph.name} ({graph.num_ops:,} ops) on {cluster.name}, round "
            f"{self.episode.round} of {self.rounds}; baseline {self.baseline_ns / 1e6:.3f} ms"
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


def _check_whole(label: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise GoGymError(f"{label}: {value!r}, expected a whole number from {low:,} to {high:,}")
