"""When a training on one problem decides afresh and when it refines, and how boldly."""

from dataclasses import dataclass

from .config import SearchConfig

COARSE = 0.5
"""How far a start goes from coarse moves to fine ones."""


@dataclass(frozen=True)
class Stage:
    """What the next round is to do.

    Attributes:
        number: of the start or the leg that it belongs to, from 0.
        anew: whether that begins with nothing; else it begins from the best so far.
        refines: False in a first round.
        progress: from coarse moves (0) to fine ones (1).
        heat: how much worse a decision may be and still be gone on from, in usual rises.
        calls: simulator calls of the round, at least one.
    """

    number: int
    anew: bool
    refines: bool
    progress: float
    heat: float
    calls: int


def stage(used: int, calls: int, units: int, search: SearchConfig) -> Stage:
    """The stage of a training of ``calls`` in all on ``units`` after ``used`` of them.

    Some starts, each a first round and coarse moves; then legs, the first from the best of these:
    each goes from coarse moves to fine ones and cools down, every other one begins anew. A graph
    of many units gets a single leg: what a leg finds depends on its calls a unit (our choice).
    """
    opening = max(min(round(search.first_round * calls), search.first_round_most), 1)
    start = max(round(search.start * calls), opening)
    starts = min(search.starts, calls // start)
    if used < starts * start:
        number, within = divmod(used, start)
        return _stage(number, True, within, opening, start, COARSE, search.hot, search)
    used, calls = used - starts * start, max(calls - starts * start, 1)
    each = max(search.leg_per_unit * units, calls // search.legs, 1)
    last = max(calls // each, 1) - 1
    leg = min(used // each, last)
    begin = leg * each
    length = each if leg < last else calls - begin
    anew = leg % 2 == 1 or (leg == 0 and starts == 0)
    hot = search.hotter if leg else search.hot
    opening = opening if anew else 0
    return _stage(starts + leg, anew, used - begin, opening, length, 1.0, hot, search)


def _stage(
    number: int,
    anew: bool,
    within: int,
    opening: int,
    length: int,
    finest: float,
    hot: float,
    search: SearchConfig,
) -> Stage:
    """The stage ``within`` calls after the begin of a stretch of ``length`` calls."""
    opening = min(opening, length)
    refines = within >= opening
    done = min(max((within - opening) / max(length - opening, 1), 0.0), 1.0)
    left = (length if refines else opening) - within
    heat = hot * (search.cold / hot) ** done
    calls = max(min(search.samples, left), 1)
    return Stage(number, anew, refines, finest * done, heat, calls)
