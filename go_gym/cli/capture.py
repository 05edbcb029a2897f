"""go-gym capture and optimize: your own model, and a plan for it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import MAX_SEED, app, bar, complain, one_line_errors, print_table, say
from go_gym.errors import CaptureError, CaptureWarning


@app.command()
def capture(
    source: Annotated[str, typer.Argument(help="path.py:function, or a path ending in .onnx.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Graph file (.npz); default by its name.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="adam or sgd: a training step, not a forward pass.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The graph's name.")] = None,
    dim: Annotated[
        list[str] | None, typer.Option(help="Of an ONNX file: batch=8; repeat for several.")
    ] = None,
) -> None:
    """Capture your model as a graph (needs torch, or onnx for .onnx files).

    The function takes no argument and gives (model_or_step, example_inputs), or a dict of the
    arguments of go_gym.capture.from_torch: model_or_step, example_inputs, optimizer, loss, …

    Example: go-gym capture mymodel.py:make_step -o my.graph.npz
    """
    with one_line_errors():
        from go_gym.capture.source import capture_source

        path = out
        if path is not None and path.suffix != ".npz":
            raise CaptureError(f"{path}: expected a path ending in .npz")
        with _warnings_in_one_line():
            graph = capture_source(source, optimizer=optimizer, name=name, dims=_sizes(dim or []))
        path = path or Path(f"{graph.name}.graph.npz")
        graph.save(path)
    kinds = [graph.op_types[code] for code in graph.op_type.tolist()]
    weights = sum(
        size
        for kind, size in zip(kinds, graph.parameter_bytes.tolist(), strict=True)
        if kind == "parameter"
    )
    rows = [
        ("ops (that cost something)", f"{graph.num_ops:,} ({int((~graph.is_free).sum()):,})"),
        ("GFLOP", f"{int(graph.flops.sum()) / 1e9:,.3f}"),
        ("parameters (MB)", f"{weights / 1e6:,.3f}"),
        ("resident bytes (MB)", f"{int(graph.parameter_bytes.sum()) / 1e6:,.3f}"),
        ("layers", f"{len(graph.layers):,}"),
    ]
    print_table("", (graph.name, "captured"), rows)
    say(f"Graph: {path}")


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CaptureWarning)
        yield
    for warning in caught:
        complain(str(warning.message))


def _sizes(given: list[str]) -> dict[str, int]:
    sizes = {}
    for text in given:
        key, _, size = text.rpartition("=")
        if not key or not size.isdecimal():
            raise CaptureError(f"--dim {text!r}: expected name=size, like batch=8")
        sizes[key] = int(size)
    return sizes


def _with_memory(problem, gigabytes: float):
    """The same problem on devices of at most so much memory."""
    from dataclasses import replace

    most = int(gigabytes * 1e9)
    devices = tuple(
        replace(device, memory_bytes=min(device.memory_bytes, most))
        for device in problem.cluster.devices
    )
    return replace(problem, cluster=replace(problem.cluster, devices=devices))


@app.command()
def optimize(
    graph: Annotated[str, typer.Argument(help="Graph file (.npz) or a name of the catalogue.")],
    cluster: Annotated[str, typer.Option("--cluster", "-c", help="Preset or .toml path.")],
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", "-a", help="Repeat for several; default: rules and a search."),
    ] = None,
    layers: Annotated[
        str, typer.Option(help="whole: choose a plan that splits no module; or any.")
    ] = "whole",
    max_memory: Annotated[
        float | None,
        typer.Option(min=0.0, help="GB of each device that the plan may use; default all."),
    ] = None,
    budget: Annotated[int, typer.Option(min=0, help="Simulator calls for each agent.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the agents.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the plan.")] = Path("plan"),
) -> None:
    """Plan where and when each op runs, beside what practitioners do today.

    Writes the best decision found, plan.json, device_map.json (module path → device), a Gantt
    chart and a Perfetto trace. Plans that do not fit are never chosen.

    Example: go-gym optimize my.graph.npz -c a100x8 -o plan
    """
    from go_gym.catalogue.problems import only_problem
    from go_gym.errors import GoGymError
    from go_gym.planning.plan import PORTFOLIO, USUAL, make_plan, summary, write_plan

    with one_line_errors():
        if layers not in ("whole", "any"):
            raise GoGymError(f"layers {layers!r}: expected whole or any")
        problem = only_problem(graph, cluster)
        if max_memory is not None:
            problem = _with_memory(problem, max_memory)
        whole, asked = layers == "whole", agent or list(PORTFOLIO)
        with bar(len({*asked, *USUAL}) + whole) as progress:

            def asking(name: str) -> None:
                progress.update(progress.task_ids[0], advance=1, description=name)

            plan = make_plan(problem, asked, budget, seed, whole, asking)
        facts = summary(plan)
        rows = [
            (
                row["agent"],
                row["priorities"],
                f"{row['step_time_ns'] / 1e6:,.3f}" if row["valid"] else "-",
                f"{row['chosen_is_faster_by']:.2f}×" if row["valid"] else "-",
                f"{row['peak_memory_bytes'] / 2**30:,.2f}",
                str(row["modules_split"]),
            )
            for row in facts["plans"]
        ]
        headings = (
            "plan", "priorities", "step (ms)", "chosen is faster by", "peak memory (GiB)",
            "modules split",
        )  # fmt: skip
        print_table(f"{facts['graph']} on {facts['cluster']}, as simulated", headings, rows)
        for row in facts["plans"]:
            if not row["valid"]:
                say(f"{row['agent']}: {row['reason']}")
        bound = plan.lower_bound_ns / 1e6
        say(f"No plan takes less than {bound:,.3f} ms here.")
        if splits := facts["modules_split"]:
            say(
                f"{len(splits)} module(s) split; the device map has most of each "
                "(plan.json lists them)."
            )
        for what, path in write_plan(plan, out).items():
            say(f"{what + ':':<15} {path}")
