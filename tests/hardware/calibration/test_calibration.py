"""Calibration of graph and cluster, and the comparison that goes on where it was stopped."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from go_gym import ComputationGraph
from go_gym.baselines.placements import human_expert
from go_gym.cli import app
from go_gym.cluster import load_cluster
from go_gym.cluster.toml import read_cluster
from go_gym.graph import Alias
from go_gym.hardware.calibration import comparison
from go_gym.hardware.calibration.calibrate import charge_views
from go_gym.hardware.calibration.comparison import compare
from go_gym.hardware.measure.profile import fit_line
from go_gym.problem import Decision, Problem
from go_gym.problem.decision_file import save_decision
from tests.hardware.models import SMALL, program
from tests.hardware.requirements import runs_workers


def test_the_line_of_transfers_is_found():
    size = np.array([1e3, 1e4, 1e6, 1e7])
    latency, slowness = fit_line(size, 4000 + size * 0.04)
    assert latency == pytest.approx(4000) and slowness == pytest.approx(0.04)
    assert fit_line(size, size * 0.04 - 30)[0] == 0.0


def test_views_are_charged_to_what_they_follow():
    """parameter → view → product → view → sum: the product pays for both views."""
    graph = ComputationGraph.from_arrays(
        "views",
        num_ops=5,
        tensors=[(0, 8), (1, 8), (2, 8), (3, 8), (4, 8)],
        uses=[(0, 1), (1, 2), (2, 3), (3, 4)],
        aliases=[Alias.PARAMETER, 0, Alias.OWN, 2, Alias.OWN],
        op_names=["parameter", "t", "mm", "view", "sum"],
        op_types=["parameter", "view", "mm", "view", "sum"],
        flops=[0, 0, 100, 0, 10],
    )
    charged = charge_views(graph, np.array([0, 2, 50, 3, 9]))
    assert charged.tolist() == [0, 0, 55, 0, 9]


@pytest.mark.slow
@runs_workers
def test_calibrated_durations_add_up_and_are_used(tmp_path):
    """The simulated step on one device is the sum of the durations, and near the measured one."""
    made = program("rnnlm")
    made.graph.save(tmp_path / "plain.npz")
    words = ["calibrate", str(tmp_path / "plain.npz"), "--out", str(tmp_path), "--steps", "3"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    graph = ComputationGraph.load(tmp_path / f"{made.graph.name}.npz")
    cluster = read_cluster(tmp_path / "cpu2.toml")
    assert graph.duration_kinds == ("cpu-core",)
    assert (graph.is_free == made.graph.is_free).all()
    assert (graph.durations[graph.is_free] == 0).all()
    problem = Problem(graph, cluster)
    assert len(problem.durations) == 1  # two cores are one kind
    from go_gym import simulate

    alone = simulate(problem, Decision(np.zeros(graph.num_ops, dtype=np.int64)))
    assert alone.step_time_ns == graph.durations.sum() > 0
    save_decision(tmp_path / "d.npz", problem, Decision(human_expert(problem)))
    words = ["measure", str(tmp_path / "d.npz"), "-g", str(tmp_path / f"{graph.name}.npz")]
    words += ["-c", str(tmp_path / "cpu2.toml"), "--steps", "2", "--warmups", "1"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0 and "measured step (median)" in ran.output, ran.output
    ran = CliRunner().invoke(app, [*words[:2], "-g", "rnnlm-2"])
    assert ran.exit_code == 2 and "decides about" in ran.output


@pytest.mark.slow
@runs_workers
def test_a_stopped_comparison_goes_on(tmp_path: Path, monkeypatch):
    models = {"small": ("rnnlm", SMALL["rnnlm"])}
    cluster = load_cluster("cpu2")
    done: list[str] = []
    first = compare(
        models,
        ["single-device"],
        cluster,
        tmp_path,
        steps=1,
        progress=lambda what, count: done.append(what),
    )
    assert done == ["small: calibrate", "small: single-device"] and len(first) == 1
    calibrated = (tmp_path / "small.npz").read_bytes()

    def stop(problem, placement):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(comparison, "decide", stop)
        compare(models, ["single-device", "layers:0"], cluster, tmp_path, steps=1)
    second = compare(models, ["single-device", "layers:0"], cluster, tmp_path, steps=1)
    assert second[0] == first[0] and [row.placement for row in second[1:]] == ["layers:0"]
    assert (tmp_path / "small.npz").read_bytes() == calibrated
    assert compare(models, ["layers:0"], cluster, tmp_path, steps=1) == second[1:]
