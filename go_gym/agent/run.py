"""One agent on one problem with one seed and one budget: what comes of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter  # bound here: an agent may not stop the clock

from go_gym.agent.budget import Budget
from go_gym.agent.curve import Curve
from go_gym.agent.protocol import TRACKS, Agent, tasks_of, track_of
from go_gym.errors import AgentError, GoGymError, TimeUpError, is_interrupt, visible
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

MAX_DEVICE = 128
"""Longest name of a device that is kept."""


@dataclass(frozen=True)
class Outcome:
    """What an agent gave for one problem.

    Attributes:
        decision: the better of its answer and the best that it evaluated.
        calls: simulator calls used.
        curve: how its calls went on.
        seconds: wall time of its work.
        track: one of TRACKS.
        device: what its network ran on, empty without one.
        started: when its work began, UTC, as ``2026-01-31T23:59:59Z``.
    """

    decision: Decision
    calls: int
    curve: Curve
    seconds: float
    track: str = TRACKS[0]
    device: str = ""
    started: str = ""


def solve(
    agent: Agent,
    problem: Problem,
    seed: int,
    simulations: int,
    name: str = "",
    seconds: float = 0.0,
) -> Outcome:
    """What an agent decides within a budget of simulator calls, and how.

    Args:
        agent, problem, seed: who decides what.
        simulations: simulator calls allowed.
        name: what errors call the agent; default its class's.
        seconds: of CPU time allowed, 0 for any; an agent that is stopped by them gives what it
            evaluated best.

    Raises:
        AgentError: if the agent does not decide this task, raises something (an exit as well), or
            gives something else than a Decision; GoGymError that it raises as it is.
    """
    try:
        return answer(agent, problem, seed, Budget(problem, simulations, seconds), name)
    except GoGymError:
        raise
    except BaseException as error:  # a stranger's code, which may try to end the program
        if is_interrupt(error):
            raise KeyboardInterrupt from None
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        who = name or type(agent).__name__
        raise AgentError(f"agent {who!r} on {problem.graph.name}: {what}") from error


def answer(agent: Agent, problem: Problem, seed: int, budget: Budget, name: str = "") -> Outcome:
    """As :func:`solve`, with a budget of the caller's, and whatever the agent raises as it is."""
    who = name or type(agent).__name__
    if problem.task not in tasks_of(agent):
        raise AgentError(f"agent {who!r} decides {', '.join(tasks_of(agent))}, not {problem.task}")
    track = track_of(agent, problem)
    started = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    start = perf_counter()
    try:
        decision = agent.solve(problem, budget, seed)
    except TimeUpError as error:
        if budget.best is None:
            raise AgentError(f"agent {who!r}: {error}, nothing valid evaluated") from None
        decision = budget.best
    seconds = perf_counter() - start
    if not isinstance(decision, Decision):
        raise AgentError(f"agent {who!r} gave {type(decision).__name__}, no Decision")
    result = simulate(problem, decision)
    if budget.best is not None and budget.best_step_time_ns is not None:
        better = budget.best_step_time_ns < result.step_time_ns
        if better or not result.valid:
            decision = budget.best
    return Outcome(
        decision=decision,
        calls=budget.used,
        curve=Curve.of(budget),
        seconds=seconds,
        track=track,
        device=visible(str(getattr(agent, "ran_on", "")))[:MAX_DEVICE],
        started=started,
    )
