"""Two processes on this machine, started by torchrun, give what one gives."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from go_gym.cluster import load_cluster
from go_gym.errors import HardwareError
from go_gym.hardware.distributed import check_measurable, tensor_forms
from go_gym.problem import Decision, Problem
from go_gym.problem.decision_file import save_decision
from tests.hardware.models import program
from tests.hardware.requirements import runs_workers


def torchrun(*words: str, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(ranks), "-m", "go_gym.hardware.distributed", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


def test_shapes_are_known_without_computing():
    made = program("rnnlm")
    graph, forms = made.graph, tensor_forms(made)
    assert sorted(forms) == list(range(graph.num_tensors))
    for op in range(0, graph.num_ops, 7):
        first = int(graph.op_tensor_ptr[op])
        shape = tuple(side for side in graph.shape[op].tolist() if side >= 0)
        assert tuple(forms[first][0]) == shape


@pytest.mark.slow
@runs_workers
def test_two_processes_give_the_loss_of_one(tmp_path):
    made = program("rnnlm")
    problem = Problem(made.graph, load_cluster("cpu2"))
    made.graph.save(tmp_path / "graph.npz")
    random = np.random.default_rng(0).integers(2, size=problem.num_ops)
    save_decision(tmp_path / "d.npz", problem, Decision(random[problem.colocation_leader]))
    files = [str(tmp_path / "graph.npz"), str(tmp_path / "d.npz")]
    ran = torchrun(*files, "--steps", "2", "--warmups", "1")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    expected = made.run(made.sample_inputs())["loss"]
    assert found["results"]["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert len(found["step_ns"]) == 2 and min(found["step_ns"]) > 0
    refused = torchrun(*files, ranks=1)
    assert refused.returncode != 0
    assert "rank 0: 1 ranks for 2 devices: start one for each" in refused.stderr
    assert "HardwareError" not in refused.stderr


@runs_workers
def test_what_several_hosts_cannot_run_is_refused():
    graph = program("rnnlm").graph
    zeros = np.zeros(graph.num_ops, dtype=np.int64)
    cores, mixed = load_cluster("cpu2"), load_cluster("cpu2")
    assert check_measurable(Problem(graph, cores), Decision(zeros)) == "gloo"
    gpu = replace(mixed.devices[1], name="cuda:0")
    mixed = replace(mixed, devices=(mixed.devices[0], gpu))
    with pytest.raises(HardwareError, match="neither gloo nor NCCL"):
        check_measurable(Problem(graph, mixed), Decision(zeros))
    fused = Decision(zeros, fusion=np.ones_like(zeros))
    with pytest.raises(HardwareError, match="fused kernels are not supported"):
        check_measurable(Problem(graph, cores, "joint"), fused)
