"""What every agent of a board must have run: ``coverage.toml``."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import tomli_w

from go_gym.baselines.priorities import OWN
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text
from go_gym.leaderboard.schema import Row
from go_gym.problem import TASKS

COVERAGE = "coverage.toml"
Coverage = Mapping[str, Mapping[str, Sequence[Any]]]
"""By task: graphs, clusters, seeds, priorities, and agents that must be there."""


def read_coverage(folder: Path) -> Coverage:
    """What a folder announces, nothing without a file; placement's keys stand at the top, another
    task's in a table of its name."""
    path = folder / COVERAGE
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise LeaderboardError(f"{path}: not TOML: {error}") from None
    tasks = {task: table.pop(task) for task in TASKS if task in table}
    if table or not tasks:
        tasks = {TASKS[0]: table, **tasks}
    for task, wanted in tasks.items():
        for key in ("graphs", "clusters", "seeds", "priorities", "agents"):
            if not isinstance(wanted, dict) or not isinstance(wanted.get(key), list):
                raise LeaderboardError(f"{path}: {key} of {task}: expected a list")
    return tasks


def write_coverage(folder: Path, **announced: Any) -> None:
    """Announce what every agent of a folder must have run: graphs, clusters, seeds, priorities,
    and the agents that must be there; for another task than placement a dict of these under its
    name."""
    atomic_write(folder / COVERAGE, tomli_w.dumps(announced))


def missing(rows: Sequence[Row], announced: Coverage) -> Iterator[str]:
    """Each announced row that is not among ``rows``; one with priorities of its own stands for
    those under every rule, one that a clock stopped for none."""
    for task, wanted in announced.items():
        mine = [row for row in rows if row.task == task and not row.budget_seconds]
        have = {(r.agent_name, r.graph, r.cluster, r.seed, r.priorities) for r in mine}
        own = {(r.agent_name, r.graph, r.cluster, r.seed) for r in mine if r.priorities == OWN}
        agents = sorted({*wanted["agents"], *(row.agent_name for row in mine)})
        for key in product(
            agents, wanted["graphs"], wanted["clusters"], wanted["seeds"], wanted["priorities"]
        ):
            if key not in have and key[:4] not in own:
                yield " ".join(map(str, (task, *key)))
