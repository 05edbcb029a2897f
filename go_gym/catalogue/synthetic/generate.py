"""Synthetic training graphs: layered, branching or unrolled, of any size, by a seed.

Their cells, the sizes drawn and the shares of each kind of op follow the captured graphs of the
zoo (our choice): Transformers for ``layered``, Inception and AmoebaNet for ``branching``, RNNLM
and GNMT for ``unrolled``. Costs are those of the ops' shapes in float32, by the same formulas.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from go_gym.catalogue.synthetic import wiring
from go_gym.catalogue.synthetic.tape import Tape
from go_gym.errors import DatasetError
from go_gym.graph import ComputationGraph

MAX_OPS = 1_000_000
MIN_OPS = 500
SYNTHETIC = "synthetic-"
"""What the names of synthetic graphs begin with."""
ROUNDS = 4
"""Corrections of the number of cells."""


@dataclass(frozen=True)
class Sizes:
    """What a seed draws for a graph."""

    width: int
    batch: int
    ratio: int  # layers a graph, where its length decides the number of ops


def generate(kind: str, ops: int, seed: int = 0) -> ComputationGraph:
    """A training graph (forward, backward, Adam) of about ``ops`` ops.

    Args:
        kind: one of ``KINDS``.
        ops: 500 to 1,000,000; the graph has at most so many, and as many whole cells as fit.
        seed: of sizes and structure; the same seed gives the same graph everywhere.

    Raises:
        DatasetError: for an unknown kind, or a size or seed out of range.
    """
    if kind not in KINDS:
        raise DatasetError(f"synthetic kind {kind!r}: expected one of {', '.join(KINDS)}")
    if not MIN_OPS <= ops <= MAX_OPS:
        raise DatasetError(f"synthetic ops: {ops:,}, expected {MIN_OPS:,} to {MAX_OPS:,}")
    if not 0 <= seed < 2**32:
        raise DatasetError(f"synthetic seed: {seed}, expected 0 to 2^32 - 1")
    tape = _filled(lambda cells: KINDS[kind](seed, cells), ops)
    facts = {"family": "synthetic", "what": f"Synthetic {kind} training graph", "seed": seed}
    return tape.builder.graph(f"{SYNTHETIC}{kind}-{ops}-{seed}", facts)


def generate_named(name: str) -> ComputationGraph:
    """The graph of a name ``synthetic-KIND-OPS-SEED``; raises DatasetError for any other."""
    parts = name.removeprefix(SYNTHETIC).split("-")
    digits = all(part.isascii() and part.isdigit() and len(part) < 11 for part in parts[1:])
    if not name.startswith(SYNTHETIC) or len(parts) != 3 or not digits:
        raise DatasetError(
            f"no graph {name!r}: expected {SYNTHETIC}KIND-OPS-SEED with KIND one of "
            f"{', '.join(KINDS)}, such as {SYNTHETIC}unrolled-10000-0"
        )
    return generate(parts[0], int(parts[1]), int(parts[2]))


def _filled(draw: Callable[[int], Tape], ops: int) -> Tape:
    """As many cells as ``ops`` ops hold, but for one or two where the cells differ in size."""
    cells, tape, per_cell = 1, draw(1), float(draw(3).num_ops - draw(1).num_ops) / 2
    for _ in range(ROUNDS):
        missing = int((ops - tape.num_ops) // per_cell)
        if missing == 0 or cells + missing < 1:
            break
        more = draw(max(cells + missing, 1))
        per_cell = max((more.num_ops - tape.num_ops) / (max(cells + missing, 1) - cells), 1.0)
        cells, tape = max(cells + missing, 1), more
    while tape.num_ops > ops and cells > 1:
        cells -= 1
        tape = draw(cells)
    return tape


def _sizes(random: np.random.Generator) -> Sizes:
    return Sizes(
        width=int(random.choice([512, 768, 1024, 2048])),
        batch=int(random.choice([16, 32, 64, 128])),
        ratio=int(random.integers(2, 9)),
    )


def _layered(seed: int, cells: int) -> Tape:
    """Blocks in a row: a gated or plain perceptron, a mixer of three products, residuals."""
    random, tape = np.random.default_rng(seed), Tape()
    sizes = _sizes(random)
    width, rows = sizes.width, sizes.batch * 64
    gated, norms = bool(random.integers(2)), bool(random.integers(2))
    x = tape.elementwise("aten.clone", tape.input((rows, width), "embedding"), "embedding")
    for cell in range(cells):
        layer = f"layers.{cell}"
        y = tape.norm("aten.native_layer_norm", x, layer) if norms else x
        query, key, value = (_projected(tape, y, width, layer) for _ in range(3))
        mixed = tape.product(tape.elementwise("aten._softmax", query, layer, 5), key, layer)
        y = _projected(tape, tape.product(mixed, value, layer), width, layer)
        x = tape.add(x, y, layer)
        y = tape.elementwise("aten.gelu", _projected(tape, x, 4 * width, layer), layer)
        if gated:
            y = tape.product(y, _projected(tape, x, 4 * width, layer), layer)
        x = tape.add(x, _projected(tape, y, width, layer), layer)
    tape.finish(_loss(tape, x, width))
    return tape


def _projected(tape: Tape, x: int, outputs: int, layer: str) -> int:
    weight = tape.parameter((outputs, tape.tensor_shapes[x][1]), layer)
    return tape.linear(x, weight, layer, tape.parameter((outputs,), layer))


def _branching(seed: int, cells: int) -> Tape:
    """Cells of two to six branches of one to three convolutions each, joined again."""
    random, tape = np.random.default_rng(seed), Tape()
    sizes = _sizes(random)
    batch, side, channels = sizes.batch, 56, 64
    x = tape.input((batch, 3, side, side), "stem")
    x = _convolved(tape, x, channels, 3, "stem")
    shrink = int(random.integers(3, 9))
    for cell in range(cells):
        layer = f"cells.{cell}"
        stride = 2 if cell % shrink == shrink - 1 and side > 7 else 1
        branches = []
        count = int(random.integers(2, 7))
        wide = 32 * max(1, (channels if stride == 1 else 2 * channels) // count // 32)
        for _ in range(count):
            y = x
            for step in range(int(random.integers(1, 4))):
                kernel = int(random.choice([1, 3, 3, 5]))
                y = _convolved(tape, y, wide, kernel, layer, stride if step == 0 else 1)
            branches.append(y)
        x = tape.cat(branches, layer)
        channels = min(wide * count, 1024)
        side = -(-side // stride)
        if wide * count > channels:
            x = _convolved(tape, x, channels, 1, layer)
    tape.finish(tape.elementwise("aten.mean", x, "classifier"))
    return tape


def _convolved(tape: Tape, x: int, outputs: int, kernel: int, layer: str, stride: int = 1) -> int:
    weight = tape.parameter((outputs, tape.tensor_shapes[x][1], kernel, kernel), layer)
    y = tape.convolution(x, weight, layer, stride)
    y = tape.norm("aten.native_batch_norm", y, layer)
    return tape.elementwise("aten.relu", y, layer)


def _unrolled(seed: int, cells: int) -> Tape:
    """Stacked recurrent layers over many steps, a softmax after each step."""
    random, tape = np.random.default_rng(seed), Tape()
    sizes = _sizes(random)
    width, batch, layers = sizes.width, sizes.batch, sizes.ratio
    names = [f"lstm.{layer}" for layer in range(layers)]
    weights = [tape.parameter((4 * width, 2 * width), name) for name in names]
    vocabulary = tape.parameter((8 * width, width), "softmax")
    hidden = [tape.input((batch, width), name) for name in names]
    memory = [tape.input((batch, width), name) for name in names]
    losses = []
    for _ in range(max(cells, 1)):
        x = tape.elementwise("aten.clone", tape.input((batch, width), "embedding"), "embedding")
        for layer, name in enumerate(names):
            both = tape.cat([x, hidden[layer]], name)
            gates = tape.slices(tape.linear(both, weights[layer], name), 4, name)
            write, keep, give = (tape.elementwise("aten.sigmoid", gate, name) for gate in gates[:3])
            candidate = tape.elementwise("aten.tanh", gates[3], name)
            memory[layer] = tape.add(
                tape.product(memory[layer], keep, name),
                tape.product(write, candidate, name),
                name,
            )
            shown = tape.elementwise("aten.tanh", memory[layer], name)
            x = hidden[layer] = tape.product(shown, give, name)
        logits = tape.linear(x, vocabulary, "softmax")
        losses.append(tape.elementwise("aten._log_softmax", logits, "softmax", 5))
    total = losses[0]
    for loss in losses[1:]:
        total = tape.add(total, loss, "softmax")
    tape.finish(total)
    return tape


def _loss(tape: Tape, x: int, width: int) -> int:
    logits = tape.linear(x, tape.parameter((16 * width, width), "softmax"), "softmax")
    return tape.elementwise("aten._log_softmax", logits, "softmax", 5)


KINDS: dict[str, Callable[[int, int], Tape]] = {
    "layered": _layered,
    "branching": _branching,
    "unrolled": _unrolled,
    "translating": wiring.translating,
    "grid": wiring.grid,
    "towers": wiring.towers,
    "experts": wiring.experts,
    "wired": wiring.wired,
}
"""Each draws a graph of so many cells (blocks, cells or steps) by a seed."""
