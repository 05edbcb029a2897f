"""The go-gym command."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from go_gym.errors import GoGymError

console = Console()
errors = Console(stderr=True)
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Place, schedule and fuse computational graphs; compare agents; verify what they claim.",
)

Graphs = Annotated[
    list[str] | None, typer.Option("--graph", "-g", help="Name, .npz path, split or family.")
]
Clusters = Annotated[
    list[str] | None, typer.Option("--cluster", "-c", help="Preset or .toml path.")
]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Bad input ends in one line and exit code 2, Ctrl-C in exit code 130."""
    try:
        yield
    except GoGymError as error:
        errors.print(f"[red]go-gym:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        errors.print("go-gym: stopped; finished rows are kept, the same command goes on")
        raise typer.Exit(130) from None


@contextmanager
def bar(total: int) -> Iterator[Progress]:
    """A progress bar with count, time passed and time left."""
    columns = (
        TextColumn("{task.description:<42}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        progress.add_task("", total=total)
        yield progress


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, numbers to the right; plain lines where that is no terminal."""
    table = Table(title=title or None, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table)


@app.command()
def graphs() -> None:
    """List the graphs of the catalogue.

    Example: go-gym graphs
    """
    from go_gym import datasets

    with one_line_errors():
        rows = [
            (
                info.name,
                info.family,
                f"{info.ops:,}",
                f"{info.contracted_ops:,}",
                f"{info.tensors:,}",
                f"{info.flops / 1e9:,.1f}",
                f"{info.parameter_bytes / 1e6:,.1f}",
            )
            for info in map(datasets.info, datasets.names())
        ]
    headings = ("graph", "family", "ops", "contracted", "tensors", "GFLOP", "parameters (MB)")
    print_table("", headings, rows)


@app.command()
def clusters(
    name: Annotated[
        str | None, typer.Argument(help="Show one as TOML; all in short if absent.")
    ] = None,
) -> None:
    """List the preset clusters, or show one as TOML (a start for your own).

    Example: go-gym clusters p100x4
    """
    from go_gym.cluster import load_cluster, preset_names
    from go_gym.cluster.toml import format_cluster

    with one_line_errors():
        if name is not None:
            typer.echo(format_cluster(load_cluster(name)))
            return
        rows = []
        for preset in preset_names():
            cluster = load_cluster(preset)
            kinds = ", ".join(sorted({device.kind for device in cluster.devices}))
            bandwidth = max(link.bandwidth for link in cluster.links) / 1e9
            memory = cluster.memory_bytes.sum() / 2**30
            rows.append(
                (
                    preset,
                    str(cluster.num_devices),
                    kinds,
                    f"{memory:,.0f}",
                    f"{bandwidth:,.1f}",
                    cluster.contention,
                )
            )
    headings = ("cluster", "devices", "kinds", "memory (GiB)", "links (GB/s)", "contention")
    print_table("", headings, rows)


@app.command()
def agents() -> None:
    """List the installed agents, ours and those of other packages.

    Example: go-gym agents
    """
    from go_gym.agent import agent_entry_points, load_agent

    with one_line_errors():
        rows = []
        for name, entry in agent_entry_points().items():
            agent = load_agent(name)
            summary = (type(agent).__doc__ or "").strip().split("\n")[0]
            rows.append((name, agent.version, entry.dist.name if entry.dist else "", summary))
    table = Table()
    for heading in ("agent", "version", "package", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for row in rows:
        table.add_row(*row)
    (console if console.is_terminal else Console(width=160)).print(table)


@app.command()
def run(
    agent: Annotated[
        list[str] | None, typer.Option("--agent", "-a", help="Repeat for several; default all.")
    ] = None,
    graph: Graphs = None,
    cluster: Clusters = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for several; default 0.")] = None,
    priorities: Annotated[
        list[str] | None, typer.Option(help="fifo or critical-path; repeat for both.")
    ] = None,
    budget: Annotated[int, typer.Option(min=0, help="Simulator calls allowed.")] = 4000,
    out: Annotated[Path, typer.Option(help="Folder of results.csv and decisions/.")] = Path(
        "runs/latest"
    ),
) -> None:
    """Run agents; write a row and a decision file for each; go on where a stop left off.

    Example: go-gym run -a metis -a heft -g rnnlm-2 -c p100x2 --out runs/mine
    """
    from go_gym.agent import agent_entry_points

    with one_line_errors():
        failed = _run(
            agents=agent or list(agent_entry_points()),
            graphs=graph or ["rnnlm-2"],
            clusters=cluster or ["p100x2"],
            seeds=seed or [0],
            priorities=priorities or ["fifo"],
            budget=budget,
            out=out,
        )
    if failed:
        raise typer.Exit(1)


def _run(
    agents: list[str],
    graphs: list[str],
    clusters: list[str],
    seeds: list[int],
    priorities: list[str],
    budget: int,
    out: Path,
) -> bool:
    """Run, print the tables of what ran, and say whether any agent failed."""
    from go_gym.envs.problems import resolve_problems
    from go_gym.leaderboard.schema import RESULTS
    from go_gym.leaderboard.tables import HEADINGS, groups
    from go_gym.runs.runner import Plan, check_names, check_priorities
    from go_gym.runs.runner import run as run_plan

    problems = [problem for name in clusters for problem in resolve_problems(graphs, name)]
    check_names(problems)
    check_priorities(priorities)
    options = [
        *(("--agent", name) for name in agents),
        *(("--graph", name) for name in graphs),
        *(("--cluster", name) for name in clusters),
        *(("--seed", str(seed)) for seed in seeds),
        *(("--priorities", rule) for rule in priorities),
        ("--budget", str(budget)),
    ]
    command = shlex.join(["go-gym", "run", *(part for option in options for part in option)])
    plan = Plan(
        tuple(agents), tuple(problems), tuple(seeds), tuple(priorities), budget, command[:2048]
    )
    with bar(len(plan)) as progress:

        def advance(job) -> None:
            where = f"{job.agent} on {job.problem.graph.name}, {job.problem.cluster.name}"
            progress.update(progress.task_ids[0], advance=1, description=where[:42])

        rows, failures = run_plan(plan, out, advance)
    ran = [
        row
        for row in rows
        if row.agent in agents
        and any((row.graph, row.cluster) == (p.graph.name, p.cluster.name) for p in problems)
    ]
    for (_, graph, cluster, rule), table in groups(ran).items():
        print_table(f"{graph} on {cluster}, {rule} priorities", HEADINGS, table)
    console.print(f"{len(rows)} rows in {out / RESULTS}", highlight=False, soft_wrap=True)
    for failure in failures:
        job = failure.job
        where = f"agent {job.agent!r} on {job.problem.graph.name}, {job.problem.cluster.name}"
        errors.print(f"[red]go-gym:[/red] {where}: {failure.error}", highlight=False)
    return bool(failures)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv and decisions/.")],
) -> None:
    """Simulate every row of a leaderboard again and report all that differs.

    Example: go-gym verify leaderboards
    """
    with one_line_errors():
        ok = _verify(folder)
    if not ok:
        raise typer.Exit(1)


def _verify(folder: Path) -> bool:
    from go_gym.leaderboard.verify import verify as verify_folder

    report = verify_folder(folder)
    for issue in report.issues:
        errors.print(f"[red]✗[/red] {issue}", highlight=False, soft_wrap=True)
    if report.ok:
        console.print(
            f"[green]✓[/green] {folder}: {report.rows} rows verified",
            highlight=False,
            soft_wrap=True,
        )
    return report.ok


@app.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
    update: Annotated[
        bool, typer.Option(help="Write the tables into the folder's README.")
    ] = False,
) -> None:
    """Print the ranked tables of a leaderboard.

    Example: go-gym leaderboard leaderboards --update
    """
    from go_gym.leaderboard import tables
    from go_gym.leaderboard.schema import RESULTS, read_rows

    with one_line_errors():
        rows = read_rows(folder / RESULTS)
        if update:
            tables.update(folder / tables.README, rows)
        if markdown:
            typer.echo(tables.markdown(rows))
        elif not update:
            for (_, graph, cluster, rule), table in tables.groups(rows).items():
                print_table(f"{graph} on {cluster}, {rule} priorities", tables.HEADINGS, table)


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
    priorities: Annotated[str, typer.Option(help="With --agent: fifo or critical-path.")] = "fifo",
    budget: Annotated[int, typer.Option(min=0, help="With --agent: simulator calls.")] = 4000,
    out: Annotated[Path, typer.Option(help="Folder of the two files.")] = Path("runs/trace"),
) -> None:
    """Write the Gantt chart (PNG) and the Perfetto trace (JSON) of a decision.

    Example: go-gym trace -g rnnlm-2 -c p100x2 -a human-expert
    """
    from go_gym.agent import load_agent
    from go_gym.decisions import load_decision
    from go_gym.envs.problems import resolve_problems
    from go_gym.leaderboard.facts import prioritised
    from go_gym.runs.runner import Job, solve

    with one_line_errors():
        if (agent is None) == (decision is None):
            raise GoGymError("trace: give either --agent or --decision")
        problem = resolve_problems(graph, cluster)[0]
        if decision is not None:
            chosen, header = load_decision(decision)
            if header["graph_hash"] != problem.graph.content_hash:
                raise GoGymError(f"{decision}: decided about another graph than {graph}")
            label = decision.stem
        else:
            assert agent is not None
            chosen, _, _ = solve(load_agent(agent), Job(problem, agent, 0), budget)
            if chosen.priority is None:
                chosen = prioritised(problem, chosen.placement, priorities)
            label = f"{agent}-{priorities}"
        _write_pictures(
            problem, chosen, out / f"{problem.graph.name}-{problem.cluster.name}-{label}"
        )


def _write_pictures(problem, decision, stem: Path) -> None:
    from go_gym.render.gantt import save_gantt
    from go_gym.render.perfetto import save_chrome_trace
    from go_gym.simulator import simulate

    result = simulate(problem, decision, trace=True)
    picture, events = Path(f"{stem}.png"), Path(f"{stem}.trace.json")
    save_gantt(picture, problem, decision, result)
    save_chrome_trace(events, problem, decision, result)
    console.print(f"Gantt chart:    {picture}", highlight=False, soft_wrap=True)
    console.print(f"Perfetto trace: {events}  (open in ui.perfetto.dev)", soft_wrap=True)


@app.command()
def build_datasets(
    name: Annotated[list[str] | None, typer.Argument(help="Which graphs; default all.")] = None,
    folder: Annotated[Path, typer.Option(help="The datasets folder.")] = Path("datasets"),
    check: Annotated[bool, typer.Option(help="Write nothing, compare with what is there.")] = False,
) -> None:
    """Capture the graphs of the catalogue from their models again, bit for bit (needs torch).

    Example: go-gym build-datasets rnnlm-2 --check
    """
    from go_gym.zoo.build import build_datasets as build

    with one_line_errors():
        altered = build(name or None, folder, check, lambda graph: errors.print(graph))
    console.print(f"{len(altered)} {'differ' if check else 'altered'}: {', '.join(altered) or '-'}")
    if check and altered:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything it writes.")] = Path("runs/demo"),
) -> None:
    """The classical baselines on two real graphs: run, rank, verify, draw.

    Example: go-gym demo
    """
    from go_gym.agent import agent_entry_points
    from go_gym.decisions import load_decision
    from go_gym.envs.problems import resolve_problems
    from go_gym.leaderboard.schema import RESULTS, read_rows
    from go_gym.leaderboard.verify import write_coverage

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
        ]
        failed = _run(chosen, names, presets, [0], rules, 4000, out)
        write_coverage(
            out, graphs=names, clusters=presets, seeds=[0], priorities=rules, agents=chosen
        )
        ok = _verify(out)
        rows = [row for row in read_rows(out / RESULTS) if row.valid]
        for name in names:
            best = min((row for row in rows if row.graph == name), key=lambda row: row.step_time_ns)
            console.print(
                f"Best of {name}: {best.agent} on {best.cluster} with {best.priorities} "
                f"priorities, {best.step_time_ns / 1e6:.3f} ms",
                highlight=False,
            )
            decision, _ = load_decision(out / best.decision)
            problem = resolve_problems(name, best.cluster)[0]
            _write_pictures(problem, decision, out / f"best-{name}-{best.cluster}")
    if failed or not ok:
        raise typer.Exit(1)


if __name__ == "__main__":
    sys.exit(app())
