"""go-gym trace: pictures of a decision."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, one_line_errors, say
from go_gym.errors import GoGymError


@app.command()
def trace(
    graph: Annotated[str, typer.Option("--graph", "-g", help="Name or .npz path.")],
    cluster: Annotated[str, typer.Option("--cluster", "-c", help="Preset or .toml path.")],
    agent: Annotated[
        str | None, typer.Option("--agent", "-a", help="Have this agent decide.")
    ] = None,
    decision: Annotated[
        Path | None, typer.Option("--decision", "-d", help="Or take a decision file.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="With --agent: placement, scheduling, fusion or joint.")
    ] = "placement",
    priorities: Annotated[str, typer.Option(help="With --agent: fifo or critical-path.")] = "fifo",
    budget: Annotated[int, typer.Option(min=0, help="With --agent: simulator calls.")] = 4000,
    out: Annotated[Path, typer.Option(help="Folder of the three files.")] = Path("runs/trace"),
) -> None:
    """Draw a decision: Gantt chart and placement map (PNG), Perfetto trace (JSON).

    The trace has ops (fused kernels with their parts), transfers and memory. A decision file says
    itself which task it decides.

    Example: go-gym trace -g rnnlm-2 -c p100x2 -a human-expert
    """
    from go_gym.agent import load_agent, solve
    from go_gym.baselines.priorities import prioritised
    from go_gym.catalogue.problems import only_problem
    from go_gym.problem import PLACED_TASKS
    from go_gym.problem.decision_file import load_decision

    with one_line_errors():
        if (agent is None) == (decision is None):
            raise GoGymError("trace: give either --agent or --decision")
        if decision is not None:
            chosen, header = load_decision(decision)
            task = header["task"]
            given = chosen.placement if task in PLACED_TASKS else None
            problem = only_problem(graph, cluster, task, given)
            if header["graph_hash"] != problem.graph.content_hash:
                raise GoGymError(f"{decision}: decided about another graph than {graph}")
            label = decision.stem
        else:
            assert agent is not None
            problem = only_problem(graph, cluster, task)
            chosen = solve(load_agent(agent), problem, 0, budget, agent).decision
            if not chosen.decides_order:
                chosen = prioritised(problem, chosen, priorities)
                label = f"{agent}-{priorities}"
            else:
                label = agent
            label = label if task == "placement" else f"{task}-{label}"
        write_pictures(
            problem, chosen, out / f"{problem.graph.name}-{problem.cluster.name}-{label}"
        )


def write_pictures(problem, decision, stem: Path) -> None:
    """Write a decision's Gantt chart, placement map and trace to ``stem`` with endings of
    theirs."""
    from go_gym.render.gantt import save_gantt
    from go_gym.render.perfetto import save_chrome_trace
    from go_gym.render.placement_map import save_placement_map
    from go_gym.simulator import simulate

    result = simulate(problem, decision, trace=True)
    picture, layers = Path(f"{stem}.png"), Path(f"{stem}.map.png")
    events = Path(f"{stem}.trace.json")
    save_gantt(picture, problem, decision, result)
    save_placement_map(layers, problem, decision)
    save_chrome_trace(events, problem, decision, result)
    say(f"Gantt chart:    {picture}")
    say(f"Placement map:  {layers}")
    say(f"Perfetto trace: {events}  (open in ui.perfetto.dev)")
