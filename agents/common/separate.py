"""The joint task solved as three tasks one after another: what a joint policy is compared with."""

import numpy as np

from go_gym.agent import Agent, Budget
from go_gym.catalogue.problems import make_problem
from go_gym.problem import Decision, Problem


def one_after_another(agent: Agent, problem: Problem, budget: Budget, seed: int) -> Decision:
    """Placement, then scheduling on it, then fusion on it, each with a third of the calls.

    As GO is compared in its paper (NeurIPS 2020, section 4.4, "separate"). Priorities and fusion
    are found without knowledge of each other, so a last call tells what they are worth together.

    Args:
        agent: decides placement, scheduling and fusion.
        problem: of task joint.
        budget: of ``problem``; the three tasks' calls count in it.
        seed: of each task.
    """
    third = max(0, budget.remaining - 1) // 3
    answers: dict[str, Decision] = {}
    placement = None
    for task in ("placement", "scheduling", "fusion"):
        part = make_problem(problem.graph, problem.cluster, task, placement)
        calls = budget.part(part, third)
        answer = agent.solve(part, calls, seed)
        answers[task] = calls.best or answer
        if placement is None:
            placement = np.asarray(answers[task].placement)
    assert placement is not None
    decision = Decision(placement, answers["scheduling"].priority, answers["fusion"].fusion)
    if budget.remaining:
        budget.evaluate(decision)
    return decision
