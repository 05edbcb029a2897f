"""go-gym graphs, clusters, agents: what there is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from go_gym.cli.shared import app, console, one_line_errors, print_table, say

if TYPE_CHECKING:
    from go_gym.agent.registry import Found


@app.command()
def graphs(
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", "-c", help="Preset or .toml path: show times on its devices."),
    ] = None,
) -> None:
    """List the graphs of the catalogue; with a cluster, how parallel each is.

    Critical path and work: every op on its fastest device, communication free. Parallelism: work
    over critical path, more than which no number of devices can gain.

    Example: go-gym graphs -c p100x4
    """
    from go_gym.catalogue import datasets

    headings = ["graph", "family", "ops", "contracted", "tensors", "GFLOP", "parameters (MB)"]
    with one_line_errors():
        rows = []
        for info in map(datasets.info, datasets.names()):
            row = [
                info.name,
                info.family,
                f"{info.ops:,}",
                f"{info.contracted_ops:,}",
                f"{info.tensors:,}",
                f"{info.flops / 1e9:,.1f}",
                f"{info.parameter_bytes / 1e6:,.1f}",
            ]
            rows.append(row + (_times(info.name, cluster) if cluster else []))
    if cluster:
        headings += ["work (ms)", "critical path (ms)", "parallelism"]
    print_table("", headings, rows)


def _times(graph: str, cluster: str) -> list[str]:
    """Work, critical path and their ratio, as cells of the table."""
    from go_gym.baselines.bounds import heads_and_tails
    from go_gym.catalogue import datasets
    from go_gym.cluster import load_cluster
    from go_gym.problem import Problem

    problem = Problem(datasets.load(graph), load_cluster(cluster))
    durations = problem.durations.min(axis=0)
    head, _ = heads_and_tails(problem, durations)
    work, path = int(durations.sum()), max(int((head + durations).max()), 1)
    return [f"{work / 1e6:,.1f}", f"{path / 1e6:,.1f}", f"{work / path:.2f}"]


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
    from go_gym.cluster.model import UNLIMITED_MEMORY
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
            memory = sum(cluster.memory_bytes.tolist())
            limited = all(device.memory_bytes < UNLIMITED_MEMORY for device in cluster.devices)
            rows.append(
                (
                    preset,
                    str(cluster.num_devices),
                    kinds,
                    f"{memory / 2**30:,.0f}" if limited else "unlimited",
                    f"{bandwidth:,.1f}",
                    cluster.contention,
                )
            )
    headings = ("cluster", "devices", "kinds", "memory (GiB)", "links (GB/s)", "contention")
    print_table("", headings, rows)


@app.command()
def agents(
    name: Annotated[
        str | None, typer.Argument(help="Show the options of one, as go or go:one-shot.")
    ] = None,
) -> None:
    """List the installed agents, ours and those of other packages, or show the options of one.

    An agent is asked for by its kind, or with a preset or options: go, go:one-shot, sa:start=best.

    Example: go-gym agents go
    """
    from go_gym.agent import agent_entry_points, find_agent

    if name is not None:
        with one_line_errors():
            _show(find_agent(name))
        return
    rows = []
    for kind, entry in agent_entry_points().items():
        package = entry.dist.name if entry.dist else ""
        rows.append(_summary(kind, package))
    _print_wrapped(("agent", "version", "tasks", "package", "what it does"), rows)
    say("Options of one: go-gym agents NAME")


def _summary(name: str, package: str) -> tuple[str, ...]:
    """One agent's row of the list; one that needs what is not installed hides no other."""
    from go_gym.agent import find_agent, tasks_of
    from go_gym.errors import AgentError

    try:
        found = find_agent(name)
        agent = found.make()
    except AgentError as error:
        return (name, "-", "-", package, f"not to be loaded here: {error.__cause__}")
    return (name, agent.version, ", ".join(tasks_of(agent)), package, found.summary)


def _show(found: "Found") -> None:
    """One agent: what it does, its presets, its options."""
    say(f"{found.name}: {found.summary}")
    rows = [
        (each.name, each.expected, each.written(each.default), each.doc) for each in found.declared
    ]
    if rows:
        _print_wrapped(("option", "value", "default", "what it does"), rows)
    for preset, summary in found.presets.items():
        say(f"{found.kind}:{preset}: {summary}")
    if not rows and not found.presets:
        say("No options.")


def _print_wrapped(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose last columns wrap; as wide as the terminal, 160 letters elsewhere."""
    table = Table()
    for number, heading in enumerate(headings):
        table.add_column(heading, no_wrap=number == 0 or heading in ("version", "default"))
    for row in rows:
        table.add_row(*map(escape, row))
    (console if console.is_terminal else Console(width=160)).print(table)
