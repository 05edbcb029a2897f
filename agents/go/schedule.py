"""When a training on one problem decides afresh and when it refines, and how boldly."""

from dataclasses import dataclass

from ..search.cooling import length
from .config import SearchConfig

COARSE = 0.5
"""How far a start goes from coarse moves to fine ones."""


@dataclass(frozen=True)
class Stage:
    """What the next round is to do.

    Attributes:
        number: of the start or the cooling round that it belongs to, from 0.
        anew: whether that begins with nothing; else it begins from the best so far.
        refines: False in a first round.
        progress: from coarse moves (0) to fine ones (1).
        temperature: of the annealing (:class:`go_agents.search.cooling.Cooling`).
        calls: simulator calls of the round, at least one.
    """

    number: int
    anew: bool
    refines: bool
    progress: float
    temperature: float
    calls: int


def stage(used: int, calls: int, units: int, search: SearchConfig) -> Stage:
    """The stage of a training of ``calls`` in all on ``units`` after ``used`` of them.

    Some starts, each a first round and coarse moves; then cooling rounds, the first from the best
    of these: each goes from coarse moves to fine ones, every other one begins anew. A graph of
    many units gets a single one: what it finds depends on its calls a unit (our choice).
    """
    opening = max(min(round(search.first_round * calls), search.first_round_most), 1)
    start = max(round(search.start * calls), opening)
    starts = min(search.starts, calls // start)
    if used < starts * start:
        number, within = divmod(used, start)
        return _stage(number, True, within, opening, start, COARSE, 0, search)
    used, calls = used - starts * start, max(calls - starts * start, 1)
    each = search.cooling.calls_of_a_round(units, calls)
    last = max(calls // each, 1) - 1
    number = min(used // each, last)
    begin = number * each
    anew = number % 2 == 1 or (number == 0 and starts == 0)
    opening = opening if anew else 0
    in_all = length(calls - begin, each)
    return _stage(starts + number, anew, used - begin, opening, in_all, 1.0, number, search)


def _stage(
    number: int,
    anew: bool,
    within: int,
    opening: int,
    in_all: int,
    finest: float,
    cooling_round: int,
    search: SearchConfig,
) -> Stage:
    """The stage ``within`` calls after the begin of a start or round of ``in_all`` calls."""
    opening = min(opening, in_all)
    refines = within >= opening
    done = min(max((within - opening) / max(in_all - opening, 1), 0.0), 1.0)
    left = (in_all if refines else opening) - within
    temperature = search.cooling.temperature(cooling_round, done)
    calls = max(min(search.samples, left), 1)
    return Stage(number, anew, refines, finest * done, temperature, calls)
