"""go-gym capture and optimize on a user's own files."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from go_gym.capture.source import capture_source
from go_gym.cli import app
from go_gym.errors import CaptureError
from go_gym.graph import ComputationGraph

MODEL = """
import torch
from layers import Tower

def loss(output, labels):
    return torch.nn.functional.cross_entropy(output, labels)

def pair():
    return Tower(), [torch.zeros(8, 32)]

def step():
    return {
        "model_or_step": Tower(), "example_inputs": [torch.zeros(8, 32)], "optimizer": "adam",
        "loss": loss, "target": torch.zeros(8, dtype=torch.long), "name": "tower",
    }

def typo():
    return {"model": Tower(), "example_inputs": []}

def nothing():
    pass

def failing():
    return Tower(), [torch.zeros(8, 31)]

def raising():
    return 1 / 0

constant = 3
"""
LAYERS = """
import torch

class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(6))

    def forward(self, x):
        for stage in self.stages:
            x = torch.relu(stage(x))
        return x
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODEL)
    (tmp_path / "layers.py").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*words, code=0):
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_capture_then_optimize(folder):
    assert "Graph: my.graph.npz" in invoke("capture", "mine.py:step", "-o", "my.graph.npz")
    graph = ComputationGraph.load("my.graph.npz")
    assert graph.name == "tower" and set(graph.phase.tolist()) == {0, 1, 2}
    assert {f"stages.{number}" for number in range(6)} <= set(graph.layers)
    words = ["my.graph.npz", "--cluster", "a100x8", "--agent", "heft", "--budget", "10"]
    output = invoke("optimize", *words, "-o", "plan")
    for name in ("heft", "human-expert", "metis", "single-device", "No plan takes less than"):
        assert name in output
    facts = json.loads((folder / "plan" / "plan.json").read_text())
    assert facts["graph_hash"] == graph.content_hash and facts["cluster"] == "a100x8"
    assert json.loads((folder / "plan" / "device_map.json").read_text())


def test_a_pair_is_a_forward_pass_unless_an_optimizer_is_asked_for(folder):
    assert "Graph: pair.graph.npz" in invoke("capture", "mine.py:pair")
    assert set(ComputationGraph.load("pair.graph.npz").phase.tolist()) == {0}
    with pytest.raises(CaptureError, match="expected a scalar"):
        capture_source("mine.py:pair", optimizer="sgd")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mine.py", "expected path.py:function"),
        ("mine.py:not a name", "expected path.py:function"),
        ("none.py:step", "no such file"),
        ("mine.py:absent", "has no function 'absent'"),
        ("mine.py:constant", "has no function 'constant'"),
        ("mine.py:typo", "expected model_or_step, example_inputs"),
        ("mine.py:nothing", "gives a NoneType"),
        ("mine.py:failing", r"layers.py:11 \(x = torch.relu\(stage\(x\)\)\)"),
        ("mine.py:raising", r"mine.py:\d+ \(return 1 / 0\): division by zero"),
        ("none.onnx", "cannot be read"),
    ],
)
def test_bad_input_is_one_line(folder, source, message):
    output = invoke("capture", source, code=2)
    assert output.count("go-gym:") == 1 and "Traceback" not in output
    with pytest.raises(ValueError, match=message):
        capture_source(source)


def test_options_that_do_not_go_together(folder):
    assert "--dim" in invoke("capture", "mine.py:pair", "--dim", "batch", code=2)
    assert ".onnx" in invoke("capture", "mine.py:pair", "--dim", "batch=8", code=2)
    assert ".npz" in invoke("capture", "mine.py:pair", "-o", "graph.json", code=2)
    assert "no training step" in invoke("capture", "m.onnx", "--optimizer", "adam", code=2)
    assert "expected one" in invoke("optimize", "rnnlm", "-c", "p100x2", code=2)


def test_an_onnx_file_is_captured_and_planned(folder):
    onnx = pytest.importorskip("onnx")
    made = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 20]> net (float[batch, 64] x) => (float[batch, 9] y)'
        " <float[64, 9] w> { y = MatMul(x, w) }"
    )
    made.graph.initializer.append(onnx.helper.make_tensor("w", 1, [64, 9], [0.0] * 576))
    del made.graph.initializer[:-1]
    onnx.save(made, "net.onnx")
    assert "batch" in invoke("capture", "net.onnx", code=2)
    invoke("capture", "net.onnx", "--dim", "batch=4", "-o", "net.graph.npz")
    assert "single-device" in invoke("optimize", "net.graph.npz", "-c", "p100x2", "--budget", "5")
