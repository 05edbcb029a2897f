"""Figures 5 and 6 of the GO paper, and the ablation of GO's parts."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.bars import save_bars
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.table2 import CLUSTER_OF
from go_gym.reproduce.tables import (
    BEST,
    FIFO,
    Cell,
    cells,
    figure,
    graphs_of,
    header,
    line,
    ratio,
    ratio_table,
    rule,
)

DEFAULT = "framework-default"


def report(
    experiment: Experiment,
    rows: Sequence[Row],
    timed: Sequence[Row],
    folder: Path,
    *,
    kind: str,
    reference: str,
    columns: Mapping[str, str],
    paper_reference: str,
    notes: Sequence[str],
) -> str:
    """A table of ours, one of ratios beside the paper's, and a picture of these ratios.

    Args:
        experiment, rows, timed, folder: see :class:`Experiment`.
        kind: which rows count, see :func:`go_gym.reproduce.tables.cells`.
        reference: the agent to whose step time the ratios are.
        columns: the paper's column of each agent that it has.
        paper_reference: the paper's column of ``reference``.
        notes: lines that say what the table shows.
    """
    lines = [*notes, ""]
    lines += [*ratio_table(experiment, rows, kind, reference), ""]
    known = cells(rows, kind)
    names = graphs_of(rows, experiment)
    agents = [agent for agent in experiment.agents if agent != reference]
    ours: dict[str, list[float | None]] = {agent: [] for agent in agents}
    theirs: dict[str, list[float | None]] = {agent: [] for agent in agents if agent in columns}
    for graph, _ in names:
        base = known.get((graph, reference), Cell(())).median
        paper = experiment.paper.get(graph, {}) if columns else {}
        for agent in agents:
            ours[agent].append(ratio(known.get((graph, agent), Cell(())).median, base))
            if agent in theirs:
                theirs[agent].append(ratio(paper.get(columns[agent]), paper.get(paper_reference)))
    if theirs:
        lines += [f"## Ratios to {reference}: ours / the paper's", ""]
        lines += [header("graph", *theirs), rule(1 + len(theirs))]
        for index, (graph, _) in enumerate(names):
            texts = [
                f"{figure(ours[agent][index])} / {figure(theirs[agent][index])}" for agent in theirs
            ]
            lines.append(line(graph, *texts))
        lines.append("")
    groups = [graph for graph, _ in names]
    label = f"step time / {reference}"
    save_bars(folder / f"{experiment.name}.png", experiment.title, label, groups, ours, theirs)
    return "\n".join(lines)


_RECURRENT = ("rnnlm-2", "rnnlm-4", "gnmt-2", "gnmt-4", "transformer-xl-2", "transformer-xl-4")
_FIG5 = (*_RECURRENT, "wavenet-2x18")
FIG5 = Experiment(
    name="fig5",
    title="A family never seen in training (the paper's Figure 5)",
    task="placement",
    agents=("human-expert", "go-zero-shot", "go-fine-tune", "go", "hdp"),
    graphs=_FIG5,
    clusters=tuple(CLUSTER_OF[graph] for graph in _FIG5),
    rules=("fifo", "critical-path"),
    report=partial(
        report,
        kind=FIFO,
        reference="human-expert",
        columns={
            "go-zero-shot": "zeroshot_s",
            "go-fine-tune": "finetune_s",
            "go": "go_one_s",
            "hdp": "hdp_s",
        },
        paper_reference="human_s",
        notes=(
            "All under first in, first out. `go-zero-shot` and `go-fine-tune` start from a",
            "checkpoint trained on the paper's other families, one for each family here; `go` and",
            "`hdp` are trained on the graph itself.",
        ),
    ),
)

_FIG6 = tuple(
    f"{family}-{layers}" for family in ("transformer-xl", "rnnlm") for layers in (2, 4, 8)
)
FIG6 = Experiment(
    name="fig6",
    title="Placement, scheduling and fusion together (the paper's Figure 6)",
    task="joint",
    agents=(
        *(DEFAULT, "one-by-one", "go", "go-separate", "go-from-best"),
        *("sa", "sa-separate", "sa-from-best"),
    ),
    graphs=_FIG6,
    clusters=tuple(CLUSTER_OF[graph] for graph in _FIG6),
    rules=("fifo",),
    report=partial(
        report,
        kind=BEST,
        reference=DEFAULT,
        columns={"go": "joint_pl_sch_fu_s", "go-separate": "separate_pl_sch_fu_s"},
        paper_reference="tf_default_s",
        notes=(
            "`go` decides all three tasks together, `go-separate` one after another with a third",
            "of the simulator calls each. `framework-default`: one device where the step fits,",
            "else METIS; first in, first out; greedy fusion. `one-by-one` is classical.",
            "The paper gives no device for its default.",
        ),
    ),
)

_SWITCHES = (
    "graph",
    "attention",
    "recurrence",
    "modulation",
    "state",
    "affinity",
    "refinement",
    "move-head",
    "critical",
    "learning",
)
_ABLATED = (
    *("rnnlm-2", "inception-b32", "transformer-xl-4"),
    *("gnmt-2", "amoebanet", "wavenet-2x18"),
)
ABLATION = Experiment(
    name="ablation",
    title="What each part of GO is worth",
    task="placement",
    agents=("go", *(f"go-without-{part}" for part in _SWITCHES)),
    graphs=_ABLATED,
    clusters=tuple(CLUSTER_OF[graph] for graph in _ABLATED),
    rules=("fifo",),
    report=partial(
        report,
        kind=FIFO,
        reference="go",
        columns={},
        paper_reference="",
        notes=(
            "Each variant has one part switched off; ratios above 1 say what the part is worth.",
        ),
    ),
)
