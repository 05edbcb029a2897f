"""The files of the site."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from go_gym.files import atomic_write
from go_gym.simulator import VERSION
from go_gym.site.boards import MAIN, SiteBoard, find_boards
from go_gym.site.comparisons import comparisons
from go_gym.site.data import board_data
from go_gym.site.graphs import GraphPage, graph_pages
from go_gym.site.pictures import pictures
from go_gym.site.plans import plan_data
from go_gym.site.reports import report_html
from go_gym.site.scripts import data_script, file_name

Progress = Callable[[int, int], None]
FIRST = "table2"
"""The board that the front page opens with, where it is there."""
STATIC, VENDOR = "static", "vendor"


def write_site(
    folder: Path, out: Path, plans: int | None = None, progress: Progress = lambda done, of: None
) -> Path:
    """Write the site of the boards in ``folder``; gives the path of its front page.

    Each file is written whole or not at all; files that lie in ``out`` already stay.

    Args:
        folder: a board, or a folder of boards, or both.
        out: folder of the pages.
        plans: how many plans each cell shows, those of its fastest agents, beside the reference's;
            None for every agent's, 0 for none at all.
        progress: called after each graph with how many are done, and of how many.

    Raises:
        LeaderboardError: if the folder holds no board, or one that cannot be read.
    """
    return write_boards(find_boards(folder), out, plans, progress)


def write_boards(
    boards: Sequence[SiteBoard],
    out: Path,
    plans: int | None = None,
    progress: Progress = lambda done, of: None,
) -> Path:
    """Write the site of ``boards``, one at least; see :func:`write_site`."""
    for place in (STATIC, VENDOR):
        _copy(place, out / place)
    compared = [(board, comparisons(board)) for board in boards]
    told = []
    for board, found in compared:
        data = board_data(board, found)
        path = out / "data" / f"board-{file_name(board.name)}.js"
        atomic_write(path, data_script(f"board {board.name}", data))
        told.append(_told(board, data))
        atomic_write(out / "data" / told[-1]["pictures"], data_script("pictures", pictures(board)))
    names = [board.name for board in boards]
    start = FIRST if FIRST in names else names[0]
    front = out / "index.html"
    shown = next(each for each in told if each["name"] == start)
    whole = sum(each["rows"] for each in told)
    _write(front, "index.html", boards=told, start=shown, rows=whole)
    for board, each in zip(boards, told, strict=True):
        path = out / "boards" / each["page"]
        _write(
            path,
            "board.html",
            "../",
            each["name"],
            boards=told,
            board=each,
            report=report_html(board),
        )
    graphs = {graph for _, found in compared for each in found for graph, _ in each.rows}
    for done, page in enumerate(graph_pages(compared, plans), start=1):
        _write_graph(page, out, told)
        progress(done, len(graphs))
    return front


def _write_graph(graph: GraphPage, out: Path, boards: Sequence[Mapping[str, Any]]) -> None:
    name = file_name(graph.name)
    for plan in graph.plans.values():
        text = data_script(f"plan {plan.name}", plan_data(plan.board, plan.row))
        atomic_write(out / "data" / "plans" / f"{plan.name}.js", text)
    atomic_write(out / "data" / f"graph-{name}.js", data_script("graph", graph.data))
    path = out / "graphs" / f"{name}.html"
    _write(path, "graph.html", "../", boards=boards, graph=graph, file=f"graph-{name}.js")


def _told(board: SiteBoard, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the front page says of a board before any script runs."""
    return {
        "name": board.name,
        "title": board.title,
        "file": f"board-{file_name(board.name)}.js",
        "pictures": f"pictures-{file_name(board.name)}.js",
        "page": found["page"],
        "links": [(name, page) for name, _, page in found["graphs"]],
        "rows": len(board.board.rows) + (len(board.timed.rows) if board.timed else 0),
        "agents": len(found["agents"]),
        "graphs": len(found["graphs"]),
        "old": [version for version in board.simulators if version != VERSION],
        "ranking": _ranking(found),
        "main": board.name == MAIN,
    }


def _ranking(found: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """The first comparison's agents with their intervals, as text."""
    if not found["comparisons"]:
        return []
    first = found["comparisons"][0]
    return [
        (found["agents"][agent], f"{middle:.3f}", f"{low:.3f} to {high:.3f}")
        for agent, middle, low, high, *_ in first["summaries"]["|"]["ranks"]
        if middle is not None
    ]


def _write(path: Path, template: str, root: str = "", current: str = "", **shown: Any) -> None:
    environment = Environment(
        loader=PackageLoader("go_gym.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = environment.get_template(template)
    atomic_write(path, found.render(version=VERSION, root=root, current=current, **shown))


def _copy(place: str, out: Path) -> None:
    for each in files("go_gym.site").joinpath(place).iterdir():
        if each.is_file():
            atomic_write(out / each.name, each.read_bytes())
