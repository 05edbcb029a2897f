"""go-gym demo: the main job, end to end."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.board import verify_board
from go_gym.cli.run import run_agents
from go_gym.cli.shared import app, one_line_errors, say
from go_gym.cli.trace import write_pictures


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything it writes.")] = Path("runs/demo"),
) -> None:
    """The classical baselines on two real graphs: run, rank, verify, draw.

    Example: go-gym demo
    """
    from go_gym.agent import agent_entry_points, load_agent, tasks_of
    from go_gym.leaderboard.coverage import write_coverage
    from go_gym.leaderboard.store import Board

    names, presets, rules = (
        ["rnnlm-2", "inception-b32"],
        ["p100x2", "p100x4"],
        ["fifo", "critical-path"],
    )
    with one_line_errors():
        chosen = [
            name
            for name, entry in agent_entry_points().items()
            if entry.value.startswith("go_agents.heuristics")
            and "placement" in tasks_of(load_agent(name))
        ]
        failed = run_agents(chosen, names, presets, [0], rules, 4000, out)
        write_coverage(
            out, graphs=names, clusters=presets, seeds=[0], priorities=rules, agents=chosen
        )
        ok = verify_board(out)
        board = Board.read(out)
        rows = [row for row in board.rows if row.valid]
        for name in names:
            best = min((row for row in rows if row.graph == name), key=lambda row: row.step_time_ns)
            say(
                f"Best of {name}: {best.agent_name} on {best.cluster} with {best.priorities} "
                f"priorities, {best.step_time_ns / 1e6:.3f} ms"
            )
            stem = out / f"best-{name}-{best.cluster}"
            write_pictures(board.problem(best), board.decision(best), stem)
    if failed or not ok:
        raise typer.Exit(1)
