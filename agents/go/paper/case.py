"""One problem as the published method meets it: units, decisions of all ops, rewards, the best."""

from collections.abc import Mapping

import numpy as np
import torch

from go_gym.agent import Budget
from go_gym.envs.rewards import go_reward
from go_gym.partitions.units import chain_units
from go_gym.problem import Decision, Problem
from go_gym.simulator import BatchResult

from ...common.curves import Recorder
from ...search.encoding import COLUMNS
from .inputs import paper_inputs
from .settings import PaperSettings
from .tasks import TASK_ORDER


class Case:
    """A problem that is decided, and what its decisions were worth so far.

    Attributes:
        decides: names of what is decided, in the order of the task layers.
        options: how many there are of each, and of "placement" where that is given.
        units: the ops that are decided as one; R of them.
        inputs: the graph as the network sees it.
        baseline_ns: a step time of this long has reward -1: all work on the fastest device, which
            takes no simulator call (the paper has a baseline's best step time).
        best: (R,) int64 by name, the best valid decision so far, None before the first.
        record: what the decisions were worth, round by round.
    """

    def __init__(self, problem: Problem, settings: PaperSettings) -> None:
        self.problem, self.settings = problem, settings
        self.decides = tuple(name for name in TASK_ORDER if name in COLUMNS[problem.task])
        levels = {"fusion": settings.fusion_levels, "priority": settings.priority_levels}
        self.options = {name: levels.get(name, problem.num_devices) for name in self.decides}
        self.units = chain_units(problem, merge_chains=False, most=settings.rows)
        self.inputs = paper_inputs(problem, self.units, settings.type_buckets, settings.neighbours)
        self.given: torch.Tensor | None = None
        if problem.placement is not None:
            self.options["placement"] = problem.num_devices
            first = np.unique(self.units.part_of, return_index=True)[1]
            self.given = torch.as_tensor(np.asarray(problem.placement)[first])
        self.baseline_ns = problem.one_device_ns
        self.best: dict[str, np.ndarray] | None = None
        self.best_reward = settings.invalid
        self.record = Recorder()

    def start(self, episodes: int) -> dict[str, torch.Tensor]:
        """The state before the first round: (episodes, R) int64 by name, nothing decided yet."""
        nothing = torch.zeros(episodes, self.units.count, dtype=torch.int64)
        state = dict.fromkeys(self.decides, nothing)
        return state if self.given is None else {**state, "placement": nothing + 1 + self.given}

    def after(
        self, state: Mapping[str, torch.Tensor], chosen: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """The state after a round that decided ``chosen``, (B, R) int64 by name."""
        count = len(next(iter(chosen.values())))
        kept = {name: each.expand(count, -1) for name, each in state.items()}
        return {**kept, **{name: 1 + each for name, each in chosen.items()}}

    def decision(self, choices: Mapping[str, np.ndarray]) -> Decision:
        """The Decision about every op; priorities and fusion are the levels themselves."""
        of_op = self.units.part_of
        columns = {name: each[of_op] for name, each in choices.items()}
        if "placement" not in columns:
            assert self.problem.placement is not None  # a Problem without one decides it
            columns["placement"] = np.asarray(self.problem.placement)
        return Decision(**columns)

    def evaluate(self, chosen: Mapping[str, torch.Tensor], budget: Budget) -> torch.Tensor:
        """(B,) float32 rewards of B decisions, a simulator call each; keeps the best."""
        count = len(next(iter(chosen.values())))
        rows = [{name: each[i].numpy() for name, each in chosen.items()} for i in range(count)]
        results = budget.evaluate_batch([self.decision(choices) for choices in rows])
        reward = self.rewards(results)
        top = int(reward.argmax())
        if results.valid[top] and reward[top] > self.best_reward:
            self.best, self.best_reward = rows[top], float(reward[top])
        self.record.note(results)
        return torch.as_tensor(reward, dtype=torch.float32)

    def rewards(self, results: BatchResult) -> np.ndarray:
        """(B,) float64: -sqrt(step time / baseline), -10 where invalid (section 4)."""
        return go_reward(
            results.step_time_ns, results.valid, self.baseline_ns, self.settings.invalid
        )

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        """The best decision, for a checkpoint."""
        best = self.best or {}
        return {f"{prefix}.{name}": torch.tensor(each) for name, each in best.items()}

    def numbers(self) -> dict[str, object]:
        """The rest, as JSON."""
        return {"best_reward": self.best_reward, "record": self.record.numbers()}

    def restore(
        self, prefix: str, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, object]
    ) -> None:
        """Put back what :meth:`tensors` and :meth:`numbers` gave."""
        best = {
            name: tensors[f"{prefix}.{name}"].numpy()
            for name in self.decides
            if f"{prefix}.{name}" in tensors
        }
        reward, record = numbers["best_reward"], numbers["record"]
        assert isinstance(reward, float) and isinstance(record, dict)
        self.best, self.best_reward = best or None, reward
        self.record = Recorder.of(record)
