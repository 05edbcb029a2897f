"""Several folders of results made into one."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from go_gym.errors import LeaderboardError
from go_gym.leaderboard.own import inside, own_files
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.store import Board


def merge(
    folder: Path, sources: Sequence[Path], wanted: Callable[[Row], bool] = lambda row: True
) -> None:
    """Take rows with their decisions, curves and own graphs from ``sources`` into ``folder``.

    Where several have the same row, the last of ``sources`` counts, and before what ``folder``
    held.

    Args:
        folder: gets them; may be new.
        sources: folders that ``go-gym run`` or ``go-gym reproduce`` wrote.
        wanted: says which rows are taken.

    Raises:
        LeaderboardError: naming a source without results, or one whose names lead out of it.
        FileFormatError: naming a decision or curve that is not what its row names.
    """
    boards = [Board.read(source) for source in sources]
    for board in boards:
        for row in board.rows:
            for name in own_files(row.graph, row.cluster):
                if inside(board.folder, name) is None:
                    raise LeaderboardError(
                        f"{board.folder / RESULTS}: {name} leads out of {board.folder}"
                    )
    into = Board(folder)
    for board in boards:
        for row in filter(wanted, board.rows):
            into.take(board, row)
            into.put(row)
            for name in own_files(row.graph, row.cluster):
                if (board.folder / name).exists():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(board.folder / name, folder / name)
    if into.rows:
        into.save()
        into.compact()
