"""A model of 70 billion weights is captured in little memory: nothing is allocated."""

import json
import resource
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from go_gym import capture  # noqa: E402

WIDTH, LAYERS, HEADS, KEY_HEADS, INNER, VOCABULARY, TOKENS = 8192, 80, 64, 8, 28672, 128256, 4096
"""Llama 3 70B (Dubey et al. 2024, table 3)."""


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        each = WIDTH // HEADS
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.query, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(WIDTH, KEY_HEADS * each, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(WIDTH, INNER, bias=False) for _ in range(2))
        self.down = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x):
        batch, steps, _ = x.shape
        y = self.norm1(x)
        heads = [
            made(y).view(batch, steps, -1, WIDTH // HEADS).transpose(1, 2)
            for made in (self.query, self.key, self.value)
        ]
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True, enable_gqa=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.embed(tokens))))


def measure():
    """Print weights, ops, FLOPs, the most memory that this process took (bytes) and seconds."""
    with torch.device("meta"):
        model, tokens = Llama(), torch.zeros(1, TOKENS, dtype=torch.long)
    start = time.perf_counter()
    graph = capture.from_torch(
        model, [tokens], optimizer="adam", target=tokens,
        loss=lambda scores, labels: F.cross_entropy(scores[0], labels[0]),
    )  # fmt: skip
    facts = {
        "weights": sum(parameter.numel() for parameter in model.parameters()),
        "resident": int(graph.parameter_bytes.sum()),
        "ops": graph.num_ops,
        "flops": int(graph.flops.sum()),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(facts))


@pytest.mark.slow
def test_a_training_step_of_70_billion_weights_takes_a_few_gigabytes():
    code = "from tests.capture.test_large import measure; measure()"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    facts = json.loads(out.stdout)
    assert facts["weights"] == pytest.approx(70.6e9, rel=0.01)
    assert facts["resident"] == 3 * 4 * facts["weights"]
    assert facts["ops"] > 15_000
    assert facts["flops"] > 6 * (facts["weights"] - VOCABULARY * WIDTH) * TOKENS
    assert facts["peak"] < 4 * 2**30
