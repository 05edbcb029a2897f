"""What an experiment is: a TOML file in ``experiments/`` and a template in ``templates/``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from go_gym.errors import GoGymError
from go_gym.files import read_text
from go_gym.problem import TASKS

FOLDER = Path(__file__).parent / "experiments"
FIFO, BEST = "fifo", "best"
"""Which rows are compared: first in, first out for all, or for each the best priorities it has."""


# Wide: an attribute for each entry of the TOML file
@dataclass(frozen=True)
class Specification:
    """A table or figure of the paper, or one of ours: what is run, and what its report compares.

    Attributes:
        name: ``table2``, …: the file's, and the command's argument.
        title: what it shows.
        task: of ``go_gym.problem.TASKS``.
        agents: names, in the order of the columns.
        graphs: the cluster of each graph, in the order of the table; names, or paths ending in
            .npz and .toml.
        priorities: the rules under which placements are recorded.
        compared: FIFO, BEST or both: a comparison each.
        reference: the agent to whose step times ratios are.
        harder: another agent to whose step times ratios are given, where it has run; empty for
            none.
        timed_by: the agent whose wall time the others get at equal time; empty for no such
            comparison.
        searchers: agents whose calls are counted until they reach HDP's final step time.
        best_priorities: the agent that stands for another under BEST, by the other's name.
        paper: the paper's column of each agent that it has.
        bars: the upright axis of its bar chart; empty for none.
    """

    name: str
    title: str
    task: str
    agents: tuple[str, ...]
    graphs: Mapping[str, str]
    priorities: tuple[str, ...]
    compared: tuple[str, ...]
    reference: str
    harder: str = ""
    timed_by: str = ""
    searchers: tuple[str, ...] = ()
    best_priorities: Mapping[str, str] = field(default_factory=dict)
    paper: Mapping[str, str] = field(default_factory=dict)
    bars: str = ""


def read_specification(path: Path) -> Specification:
    """The experiment that a TOML file describes; raises GoGymError naming file and entry."""
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise GoGymError(f"{path}: not TOML: {error}") from None
    known = {each.name: each for each in fields(Specification) if each.name != "name"}
    for key, value in table.items():
        if key not in known:
            raise GoGymError(f"{path}: entry {key!r}: expected one of {', '.join(known)}")
        table[key] = _checked(value, known[key].type, f"{path}: entry {key!r}")
    try:
        made = Specification(path.stem, **table)
    except TypeError as error:
        raise GoGymError(f"{path}: {error}") from None
    if made.task not in TASKS:
        raise GoGymError(f"{path}: task {made.task!r}: expected one of {', '.join(TASKS)}")
    if not made.compared or not set(made.compared) <= {FIFO, BEST}:
        raise GoGymError(f"{path}: compared {made.compared}: expected {FIFO}, {BEST} or both")
    return made


def _checked(value: Any, kind: Any, where: str) -> Any:
    """``value`` as ``kind``: a text, a tuple of texts, or texts by name."""
    if kind is str:
        parts, made = [value], value
    elif kind == tuple[str, ...]:
        parts, made = (value, tuple(value)) if isinstance(value, list) else ([None], None)
    else:
        parts, made = (list(value.values()), value) if isinstance(value, dict) else ([None], None)
    if not all(isinstance(part, str) for part in parts):
        raise GoGymError(f"{where}: {value!r}, expected {getattr(kind, '__name__', kind)} of text")
    return made
