"""GO-Placement-v0: a device for every op, all at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from go_gym.cluster import Cluster
from go_gym.envs.observations import Sizes, space, static_part
from go_gym.envs.problems import GraphLike, draw, resolve_problems
from go_gym.envs.rewards import Outcome, reward_named
from go_gym.envs.shared import SharedArrays
from go_gym.errors import DecisionError, GoGymError
from go_gym.placements import human_expert
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate

BACKENDS = ("simulator", "hardware")


class PlacementEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """Place every op of a computation graph on a device.

    ## Description
    One training step of a real model is a graph of thousands of ops. The agent says on which
    device of a cluster each op runs; an exact event-driven simulator says how long the step takes.
    A chain of ops is best left on one device, which a small case shows:

    >>> import gymnasium as gym, go_gym
    >>> chain = go_gym.ComputationGraph.from_costs([5, 5], [(0, 9)], [(0, 1)])
    >>> pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
    >>> env = gym.make("GO-Placement-v0", graph=chain, cluster=pair, reward="speedup")
    >>> _ = env.reset(seed=0)
    >>> env.step([0, 1])[4]["step_time_ns"], env.reset() and env.step([1, 1])[4]["step_time_ns"]
    (19, 10)

    ## Action Space
    ``MultiDiscrete([devices] * ops)``: a device number for each op. With several graphs, ``ops``
    is the largest one's count; entries beyond a graph's own are ignored.

    ## Observation Space
    A ``Dict`` of flat arrays, tables row after row; ``o`` ops, ``u`` uses (padded with zeros, see
    the masks), ``d`` devices:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | ops | (o · F,) float32 | a row of F features an op, ``go_gym.graph.features.OP_FEATURES`` |
    | op_mask | (o,) int8 | 1 for an op of this graph |
    | edges | (u · 2,) int32 | producer and consumer op of each use |
    | edge_features | (u,) float32 | log2(1 + bytes) / 64 |
    | edge_mask | (u,) int8 | 1 for a use of this graph |
    | durations | (o · d,) float32 | log2(1 + ns) / 64 of each op on each device |
    | devices | (d · 5,) float32 | ``go_gym.envs.observations.DEVICE_FEATURES`` |
    | placement | (o,) int32 | the previous round's decision, -1 before the first |
    | round | (1,) int32 | rounds done |

    ## Starting State
    No decision yet. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"go"``: −sqrt(step time / the human expert's), −10 if invalid (out of memory, or a
    co-location group torn apart). ``"speedup"``: the expert's step time / step time, 0 if invalid.
    ``"improvement"``: (previous − this step time) / the expert's, −10 if invalid; the first
    previous one is the expert's.

    ## Episode End
    Terminates after ``rounds`` decisions. Never truncates by itself.

    ## Information
    ``graph``, ``cluster``, ``baseline_ns`` (the expert's step time), and after a step
    ``step_time_ns``, ``speedup``, ``valid``, ``reason``, ``peak_memory`` (d,), ``bytes_moved``,
    ``best_step_time_ns`` (the best valid one of the episode, None before). Deterministic.

    ## Arguments
    ``graph``: a name, path, ``ComputationGraph``, split, family, or a list of these.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above. ``rounds``: decisions an episode (GO's T).
    ``backend``: ``"simulator"``. ``render_mode``: None, ``"ansi"`` or ``"rgb_array"``.

    ## References
    Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020 (the task, the
    reward). Addanki et al., Placeto, NeurIPS 2019 (``"improvement"``).

    ## Version History
    v0: initial version.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: str = "go",
        rounds: int = 1,
        backend: str = "simulator",
        render_mode: str | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise GoGymError(f"backend {backend!r}: expected one of {', '.join(BACKENDS)}")
        if backend == "hardware":
            raise GoGymError('backend "hardware" is not built yet: use backend="simulator"')
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise GoGymError(f"render_mode {render_mode!r}: expected None, 'ansi' or 'rgb_array'")
        if not isinstance(rounds, int) or isinstance(rounds, bool) or not 1 <= rounds <= 10_000:
            raise GoGymError(f"rounds: {rounds!r}, expected a whole number from 1 to 10,000")
        self.reward = reward_named(reward)
        self.problems = resolve_problems(graph, cluster)
        self.rounds = rounds
        self.render_mode = render_mode
        self.sizes = Sizes.of(self.problems, rounds)
        self.action_space = spaces.MultiDiscrete([self.sizes.devices] * self.sizes.ops)
        self.observation_space = space(self.sizes)  # type: ignore[assignment]  # a Dict of Any
        self._static: dict[int, SharedArrays] = {}
        self._baseline: dict[int, int] = {}
        self._none = np.full(self.sizes.ops, -1, dtype=np.int32)
        self._none.setflags(write=False)
        self._chosen = 0
        self._begin()

    @property
    def problem(self) -> Problem:
        """The problem of this episode."""
        return self.problems[self._chosen]

    @property
    def baseline_ns(self) -> int:
        """The human expert's step time on this problem, valid or not, in ns."""
        if self._chosen not in self._baseline:
            expert = Decision(placement=human_expert(self.problem))
            self._baseline[self._chosen] = max(simulate(self.problem, expert).step_time_ns, 1)
        return self._baseline[self._chosen]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode; ``options={"graph": number}`` chooses among several graphs."""
        super().reset(seed=seed)
        wanted = (options or {}).get("graph")
        if wanted is None:
            self._chosen = draw(self.problems, self.np_random)
        elif isinstance(wanted, int | np.integer) and 0 <= wanted < len(self.problems):
            self._chosen = int(wanted)
        else:
            raise GoGymError(
                f"options['graph']: {wanted!r}, expected 0 to {len(self.problems) - 1}"
            )
        self._begin()
        return self._observation(), self._info()

    def _begin(self) -> None:
        self._round = 0
        self._placement = self._none
        self._result: Result | None = None
        self._best: int | None = None
        self._previous: int | None = None

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Simulate a placement; raises DecisionError for one of a wrong shape, dtype or range."""
        if self._round >= self.rounds:
            raise GoGymError("the episode has ended: call reset() before step()")
        decision = self._decision(action)
        result = simulate(self.problem, decision)
        baseline = self.baseline_ns
        previous = baseline if self._previous is None else self._previous
        reward = self.reward.of(Outcome(result, baseline, previous))
        if result.valid:
            self._previous = result.step_time_ns
            if self._best is None or result.step_time_ns < self._best:
                self._best = result.step_time_ns
        placement = self._none.copy()
        placement[: self.problem.num_ops] = decision.placement
        self._placement, self._result = placement, result
        self._round += 1
        return self._observation(), reward, self._round >= self.rounds, False, self._info()

    def _decision(self, action: Any) -> Decision:
        try:
            array = np.asarray(action)
        except ValueError as error:
            raise DecisionError(f"action: not an array of whole numbers: {error}") from None
        if array.shape != (self.sizes.ops,):
            raise DecisionError(f"action: shape {array.shape}, expected ({self.sizes.ops},)")
        return Decision(placement=array[: self.problem.num_ops])

    def _observation(self) -> dict[str, np.ndarray]:
        if self._chosen not in self._static:
            self._static[self._chosen] = SharedArrays(static_part(self.problem, self.sizes))
        return {
            **self._static[self._chosen].fresh(),
            "placement": self._placement.copy(),
            "round": np.array([self._round], dtype=np.int32),
        }

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "graph": self.problem.graph.name,
            "cluster": self.problem.cluster.name,
            "baseline_ns": self.baseline_ns,
        }
        if self._result is not None:
            info |= {
                "step_time_ns": self._result.step_time_ns,
                "speedup": self.baseline_ns / max(self._result.step_time_ns, 1),
                "valid": self._result.valid,
                "reason": self._result.reason,
                "peak_memory": self._result.peak_memory.copy(),
                "bytes_moved": self._result.bytes_moved,
                "best_step_time_ns": self._best,
            }
        return info

    def __getstate__(self) -> dict[str, Any]:
        """Without the observation's static part, which is an open file and is rebuilt."""
        return {**self.__dict__, "_static": {}}

    def get_state(self) -> Mapping[str, Any]:
        """What :meth:`set_state` needs to go on from here, generator included."""
        return {
            "chosen": self._chosen,
            "round": self._round,
            "placement": self._placement.copy(),
            "best": self._best,
            "previous": self._previous,
            "generator": self.np_random.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that :meth:`get_state` gave, here or in an equal environment.

        Raises GoGymError, and changes nothing, for one of an environment with other arguments.
        """
        missing = sorted(self.get_state().keys() - dict(state or {}).keys())
        if missing:
            raise GoGymError(f"state: lacks {', '.join(missing)}; expected what get_state() gives")
        shape = np.shape(state["placement"])
        if shape != (self.sizes.ops,) or not 0 <= state["chosen"] < len(self.problems):
            raise GoGymError(
                f"state: graph {state['chosen']} of {len(self.problems)}, {shape} ops for "
                f"({self.sizes.ops},): of an environment with other graphs"
            )
        if not 0 <= state["round"] <= self.rounds:
            raise GoGymError(f"state: round {state['round']}, expected 0 to {self.rounds}")
        self._chosen, self._round = state["chosen"], state["round"]
        self._placement = state["placement"].copy()
        self._best, self._previous = state["best"], state["previous"]
        self.np_random.bit_generator.state = state["generator"]
        decided = self._placement[: self.problem.num_ops]
        decision = Decision(placement=decided) if decided.min() >= 0 else None
        self._result = None if decision is None else simulate(self.problem, decision)

    def render(self) -> Any:
        """``ansi``: a few lines of text; ``rgb_array``: the last decision's Gantt chart, uint8
        (height, width, 3), empty before the first."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            from go_gym.render.gantt import empty_pixels, gantt_pixels

            if self._result is None:
                return empty_pixels(self.problem)
            decision = Decision(placement=self._placement[: self.problem.num_ops])
            result = simulate(self.problem, decision, trace=True)
            return gantt_pixels(self.problem, decision, result)
        return None

    def _text(self) -> str:
        graph, cluster = self.problem.graph, self.problem.cluster
        lines = [
            f"{graph.name} ({graph.num_ops:,} ops) on {cluster.name}, round "
            f"{self._round} of {self.rounds}; expert {self.baseline_ns / 1e6:.3f} ms"
        ]
        if self._result is not None:
            result = self._result
            verdict = "valid" if result.valid else result.reason
            lines.append(f"step time {result.step_time_ns / 1e6:.3f} ms, {verdict}")
            for device, busy, peak in zip(
                cluster.devices, result.busy_ns, result.peak_memory, strict=True
            ):
                share = busy / max(result.step_time_ns, 1)
                lines.append(f"  {device.name:<12} busy {share:6.1%}  peak {peak / 1e9:8.3f} GB")
        return "\n".join(lines)
