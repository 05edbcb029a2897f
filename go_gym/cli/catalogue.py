"""go-gym graphs, clusters, agents: what there is."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from go_gym.cli.shared import app, console, one_line_errors, print_table


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
