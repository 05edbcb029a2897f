"""A plan for one graph on one cluster: an agent's decision beside the usual ones, as files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.agent import canonical_name, load_agent, solve
from go_gym.baselines.bounds import lower_bound_ns
from go_gym.baselines.priorities import OWN, PRIORITIES, prioritised
from go_gym.errors import GoGymError
from go_gym.files import atomic_write
from go_gym.planning.whole import WHOLE_LAYERS, whole_layers
from go_gym.problem import Decision, Problem
from go_gym.problem.decision_file import save_decision
from go_gym.problem.device_map import accelerate_map, device_map
from go_gym.simulator import Result, simulate

USUAL = ("single-device", "human-expert", "metis")
"""What practitioners do today; each plan is set beside these agents'."""
PORTFOLIO = ("best-heuristic", "sa:start=best")
"""Who is asked where nobody is named: rules, of which the best that fits counts, and a search from
there."""


@dataclass(frozen=True)
class Option:
    """One agent's decision, under the priorities that serve it best."""

    agent: str
    priorities: str  # a rule's name, or "own"
    decision: Decision
    result: Result
    splits: int = 0  # modules that it parts

    @property
    def placement(self) -> np.ndarray:
        """(n,) devices."""
        return np.asarray(self.decision.placement)


@dataclass(frozen=True)
class Plan:
    """The options, best first, and a bound that none can beat.

    Attributes:
        problem: the graph and cluster.
        options: the best first: valid ones by step time (where layers stay whole, those that split
            none before the others), then invalid ones.
        asked: the agents asked for, beside the usual ones.
        budget: simulator calls that each agent was allowed.
        lower_bound_ns: of the step time on this cluster.
    """

    problem: Problem
    options: tuple[Option, ...]
    asked: tuple[str, ...]
    budget: int
    lower_bound_ns: int
    whole: bool = False  # are layers to stay whole?

    @property
    def best(self) -> Option:
        """The first of the options, which are sorted."""
        return self.options[0]


def make_plan(
    problem: Problem,
    agents: Sequence[str],
    budget: int,
    seed: int = 0,
    whole: bool = False,
    asking: Callable[[str], None] = lambda name: None,
) -> Plan:
    """Ask each agent, and the usual ones, for a decision; each gets the same budget.

    Args:
        problem: what is planned.
        agents: names, with options.
        budget: simulator calls of each.
        seed: of each.
        whole: choose among plans that split no module, if one is valid;
            :func:`go_gym.planning.whole.whole_layers` is asked as well.
        asking: called with each name before it is asked.

    Raises:
        AgentError: for an agent that is not installed or breaks the protocol.
        GoGymError: if no decision is valid, with the reason of each.
    """
    asked = tuple(map(canonical_name, agents))
    options = []
    if whole:
        asking(WHOLE_LAYERS)
        found = whole_layers(problem, budget)
        options += [_best_ruled(problem, WHOLE_LAYERS, found)] if found else []
    for name in dict.fromkeys([*asked, *USUAL]):
        asking(name)
        options.append(_option(problem, name, budget, seed))

    def rank(option: Option) -> tuple[bool, bool, int]:
        result = option.result
        return not result.valid, whole and option.splits > 0, result.step_time_ns

    options.sort(key=rank)
    if not options[0].result.valid:
        raise GoGymError(_no_room(problem, options))
    return Plan(problem, tuple(options), asked, budget, lower_bound_ns(problem), whole)


def _no_room(problem: Problem, options: Sequence[Option]) -> str:
    """Why no option is valid, in numbers, and what would help."""
    graph, cluster = problem.graph, problem.cluster
    resident = int(graph.parameter_bytes.sum())
    room = sum(device.memory_bytes for device in cluster.devices)
    least = min(int(option.result.peak_memory.sum()) for option in options)
    facts = (
        f"{graph.name} fits {cluster.name} under no plan: its parameters, buffers and optimizer "
        f"states alone are {_gb(resident)}, the cluster's memory is {_gb(room)}"
    )
    if resident > room:
        count = -(-resident // max(device.memory_bytes for device in cluster.devices))
        return f"{facts}: expected at least {count} devices like its largest, or smaller weights"
    reasons = "; ".join(f"{each.agent}: {each.result.reason}" for each in options)
    return (
        f"{facts}, and the plan that needs least takes {_gb(least)} in all ({reasons}): expected "
        "more memory or devices, a smaller batch, or checkpointed layers"
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.4g} GB"


def _option(problem: Problem, name: str, budget: int, seed: int) -> Option:
    decision = solve(load_agent(name), problem, seed, budget, name).decision
    if decision.decides_order:
        return _made(problem, name, OWN, decision)
    return _best_ruled(problem, name, decision)


def _made(problem: Problem, name: str, rule: str, decision: Decision) -> Option:
    splits = device_map(problem, np.asarray(decision.placement))[1]
    return Option(name, rule, decision, simulate(problem, decision), len(splits))


def _best_ruled(problem: Problem, name: str, decision: Decision) -> Option:
    """A placement under the rule of priorities that serves it best."""
    ruled = [(rule, prioritised(problem, decision, rule)) for rule in PRIORITIES]
    tried = [_made(problem, name, rule, each) for rule, each in ruled]
    return min(tried, key=lambda each: (not each.result.valid, each.result.step_time_ns))


def write_plan(plan: Plan, folder: Path) -> dict[str, Path]:
    """Write the best option: decision, summary, device map, Gantt chart, Perfetto trace.

    Returns:
        What each file is → its path.
    """
    from go_gym.render.gantt import save_gantt
    from go_gym.render.perfetto import save_chrome_trace

    best, problem = plan.best, plan.problem
    paths = {
        "decision": folder / "decision.npz",
        "summary": folder / "plan.json",
        "device map": folder / "device_map.json",
        "Gantt chart": folder / "gantt.png",
        "Perfetto trace": folder / "trace.json",
    }
    modules, _ = device_map(problem, best.placement)
    save_decision(paths["decision"], problem, best.decision)
    atomic_write(paths["summary"], json.dumps(summary(plan), indent=2) + "\n")
    atomic_write(paths["device map"], json.dumps(accelerate_map(problem, modules), indent=2) + "\n")
    traced = simulate(problem, best.decision, trace=True)
    save_gantt(paths["Gantt chart"], problem, best.decision, traced)
    save_chrome_trace(paths["Perfetto trace"], problem, best.decision, traced)
    return paths


def summary(plan: Plan) -> dict[str, Any]:
    """What plan.json says: all numbers are the simulator's; times in ns, memory in bytes."""
    problem, best = plan.problem, plan.best
    _, splits = device_map(problem, best.placement)
    return {
        "graph": problem.graph.name,
        "graph_hash": problem.graph.content_hash,
        "cluster": problem.cluster.name,
        "cluster_hash": problem.cluster.content_hash,
        "devices": [device.name for device in problem.cluster.devices],
        "agents_asked": list(plan.asked),
        "layers": "whole" if plan.whole else "any",
        "budget": plan.budget,
        "chosen": best.agent,
        "priorities": best.priorities,
        "step_time_ns": best.result.step_time_ns,
        "lower_bound_ns": plan.lower_bound_ns,
        "busy_share": [
            round(int(busy) / max(best.result.step_time_ns, 1), 4) for busy in best.result.busy_ns
        ],
        "peak_memory_bytes": [int(peak) for peak in best.result.peak_memory],
        "bytes_moved": int(best.result.bytes_moved),
        "plans": [_row(option, best) for option in plan.options],
        "modules_split": [str(split) for split in splits],
    }


def _row(option: Option, best: Option) -> dict[str, Any]:
    result = option.result
    return {
        "agent": option.agent,
        "priorities": option.priorities,
        "valid": result.valid,
        "reason": result.reason,
        "modules_split": option.splits,
        "step_time_ns": result.step_time_ns,
        "chosen_is_faster_by": round(result.step_time_ns / max(best.result.step_time_ns, 1), 4)
        if result.valid
        else None,
        "peak_memory_bytes": int(result.peak_memory.max()),
    }
