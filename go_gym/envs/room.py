"""Room: how large an environment's spaces are, where it is not its own graphs that say so."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from go_gym.catalogue.problems import GraphLike, PlacementLike, resolve_problems
from go_gym.cluster import Cluster
from go_gym.envs.observations import Sizes
from go_gym.envs.units import Units
from go_gym.errors import GoGymError
from go_gym.problem import Problem

RoomLike = GraphLike | tuple[int, int] | None
"""None: the environment's own graphs; other graphs, as ``graph=`` takes them, that are to fit as
well; or how many units (ops or groups) and edges between them there is room for."""


def room_for(
    own: Sequence[Units],
    room: RoomLike,
    cluster: str | Path | Cluster,
    task: str,
    placement: PlacementLike,
    units_of: Callable[[Problem], Units],
) -> Sizes:
    """The sizes that ``room`` asks for; raises GoGymError if one of ``own`` does not fit.

    Graphs of the room get ``cluster``, ``task`` and the rule ``placement`` (the human expert's
    for given devices, which are of one graph), and units as the environment's own have.
    """
    needed = Sizes.of(own)
    if room is None:
        return needed
    numbers = _numbers(room)
    if numbers is not None:
        sizes = Sizes(ops=numbers[0], uses=numbers[1], devices=needed.devices)
    else:
        rule = placement if callable(placement) else None
        problems = resolve_problems(room, cluster, task, rule)  # type: ignore[arg-type]
        sizes = Sizes.of([units_of(problem) for problem in problems])
    for each in own:
        units, edges = each.count, len(each.edges[0])
        if units > sizes.ops or edges > sizes.uses:
            raise GoGymError(
                f"room: {each.problem.graph.name!r} has {units:,} units and {edges:,} edges, "
                f"there is room for {sizes.ops:,} and {sizes.uses:,}"
            )
    return sizes


def _numbers(room: RoomLike) -> tuple[int, int] | None:
    """Units and edges, if ``room`` is numbers; raises GoGymError for numbers that are no room."""
    if isinstance(room, int | np.integer):
        raise GoGymError(f"room: {room!r}, expected two numbers, of units and of edges")
    if not isinstance(room, tuple | list) or not any(
        isinstance(each, int | np.integer) for each in room
    ):
        return None
    good = len(room) == 2 and all(
        isinstance(each, int | np.integer) and not isinstance(each, bool) and 1 <= each <= 2**31 - 1
        for each in room
    )
    if not good:
        raise GoGymError(f"room: {room!r}, expected two whole numbers from 1: units and edges")
    return int(room[0]), int(room[1])
