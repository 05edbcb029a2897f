"""The state of an episode: a value that can be kept, copied and put back."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator import Result


@dataclass(frozen=True)
class Episode:
    """How far an episode has come.

    Attributes:
        chosen: number of its problem.
        round: decisions taken.
        decision, result: the last one, None before the first.
        best_ns: shortest valid step time so far, None before the first valid one.
        previous_ns: the last valid step time, likewise.
    """

    chosen: int = 0
    round: int = 0
    decision: Decision | None = None
    result: Result | None = None
    best_ns: int | None = None
    previous_ns: int | None = None

    def after(self, decision: Decision, result: Result) -> "Episode":
        """The episode one decision later."""
        best, previous = self.best_ns, self.previous_ns
        if result.valid:
            previous = result.step_time_ns
            best = previous if best is None else min(best, previous)
        return Episode(self.chosen, self.round + 1, decision, result, best, previous)


def restored(state: Any, problems: list[Problem]) -> Episode:
    """The Episode in a saved state; raises GoGymError for that of another environment."""
    if not isinstance(state, Mapping) or not isinstance(state.get("episode"), Mapping):
        raise GoGymError("state: lacks an episode; expected what get_state() gives")
    entries = state["episode"]
    expected = {field.name for field in fields(Episode)}
    if set(entries) != expected:
        raise GoGymError(f"state: episode of {sorted(entries)}, expected {sorted(expected)}")
    episode = Episode(**entries)
    if not 0 <= episode.chosen < len(problems):
        raise GoGymError(f"state: graph {episode.chosen} of {len(problems)}")
    decided = episode.decision is not None
    if decided != (episode.result is not None) or (episode.round > 0 and not decided):
        raise GoGymError(f"state: round {episode.round} does not go with its decision and result")
    if episode.decision is not None and episode.result is not None:
        problem = problems[episode.chosen]
        try:
            check_decision(problem, episode.decision)
        except GoGymError as error:
            raise GoGymError(f"state: of an environment with other graphs: {error}") from None
        if len(episode.result.busy_ns) != problem.num_devices:
            raise GoGymError("state: of an environment with another number of devices")
    return episode
