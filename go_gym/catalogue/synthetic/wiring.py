"""Synthetic graphs wired otherwise than in a row: attention between stacks, grids, towers, experts.

Each function draws a graph of so many cells by a seed, as those of :mod:`.generate`; the sizes are
our choice.
"""

import numpy as np

from go_gym.catalogue.synthetic.tape import Tape


def translating(seed: int, cells: int) -> Tape:
    """Recurrent encoder and decoder, unrolled over ``cells`` steps each; every decoder step
    attends to what the encoder gave (Bahdanau et al. 2015)."""
    random, tape = np.random.default_rng(seed), Tape()
    width, batch = int(random.choice([256, 512, 1024])), int(random.choice([32, 64, 128]))
    layers, both_ways = int(random.integers(1, 5)), bool(random.integers(2))
    gated = bool(random.integers(2))
    encoded = _stack(tape, "encoder", layers, cells, width, batch, gated)
    if both_ways:
        back = _recurrence(tape, "encoder.back", encoded[::-1], width, batch, gated)[::-1]
        encoded = [tape.add(x, y, "encoder.back") for x, y in zip(encoded, back, strict=True)]
    memory = tape.cat(encoded, "attention")
    weights = [tape.parameter((width, 2 * width), f"decoder.{n}") for n in range(layers)]
    vocabulary = tape.parameter((8 * width, width), "softmax")
    score = tape.parameter((width, width), "attention")
    hidden = [tape.input((batch, width), f"decoder.{n}") for n in range(layers)]
    context, losses = tape.input((batch, width), "attention"), []
    for _ in range(cells):
        x = tape.elementwise("aten.clone", tape.input((batch, width), "embedding"), "embedding")
        x = tape.add(x, context, "decoder.0")
        for layer in range(layers):
            name = f"decoder.{layer}"
            x = hidden[layer] = _cell(tape, x, hidden[layer], weights[layer], name, gated)
        query = tape.linear(x, score, "attention")
        weight = tape.elementwise(
            "aten._softmax", tape.product(memory, query, "attention"), "attention", 5
        )
        mixed = tape.product(weight, memory, "attention")
        context = tape.elementwise(
            "aten.clone", tape.slices(mixed, cells, "attention")[0], "attention"
        )
        logits = tape.linear(tape.add(x, context, "softmax"), vocabulary, "softmax")
        losses.append(tape.elementwise("aten._log_softmax", logits, "softmax", 5))
    tape.finish(_sum(tape, losses, "softmax"))
    return tape


def grid(seed: int, cells: int) -> Tape:
    """Layers over positions, unrolled: each cell takes the one below it and the one some steps
    back in the layer below (dilated, as WaveNet) or in its own (as grid LSTMs)."""
    random, tape = np.random.default_rng(seed), Tape()
    width, batch = int(random.choice([256, 512, 1024])), int(random.choice([32, 64, 128, 256]))
    layers, own = int(random.integers(3, 10)), bool(random.integers(2))
    gated, skips = bool(random.integers(2)), bool(random.integers(2))
    names = [f"layers.{layer}" for layer in range(layers)]
    weights = [tape.parameter((width, 2 * width), name) for name in names]
    below = [tape.input((batch, width), "embedding") for _ in range(cells)]
    kept: list[list[int]] = [[] for _ in range(cells)]
    for layer, name in enumerate(names):
        reach = 1 if own else 2 ** (layer % 4)
        edge = tape.input((batch, width), name)
        row: list[int] = []
        for step in range(cells):
            source = row if own else below
            other = source[step - reach] if step >= reach else edge
            x = _cell(tape, below[step], other, weights[layer], name, gated)
            row.append(x)
            kept[step].append(x)
        below = row
    head = tape.parameter((4 * width, width), "head")
    losses = []
    for step in range(cells):
        x = _sum(tape, kept[step], "head") if skips else below[step]
        logits = tape.linear(x, head, "head")
        losses.append(tape.elementwise("aten._log_softmax", logits, "head", 5))
    tape.finish(_sum(tape, losses, "head"))
    return tape


def towers(seed: int, cells: int) -> Tape:
    """Two to five stacks of blocks side by side, of unlike width and depth, joined at the end."""
    random, tape = np.random.default_rng(seed), Tape()
    rows, count = int(random.choice([1024, 2048, 4096])), int(random.integers(2, 6))
    joint, exchange = 512, int(random.integers(0, 4))
    widths = [int(random.choice([256, 512, 768, 1024])) for _ in range(count)]
    skips = [1, *(int(random.integers(1, 4)) for _ in range(count - 1))]  # a block in so many
    ends = []
    for tower in range(count):
        x = tape.input((rows, widths[tower]), f"tower.{tower}.input")
        ends.append(tape.elementwise("aten.clone", x, f"tower.{tower}.input"))
    for cell in range(cells):
        for tower, width in enumerate(widths):
            if cell % skips[tower]:
                continue
            name = f"tower.{tower}.{cell}"
            y = tape.norm("aten.native_layer_norm", ends[tower], name)
            y = tape.elementwise("aten.gelu", _linear(tape, y, 2 * width, name), name)
            ends[tower] = tape.add(ends[tower], _linear(tape, y, width, name), name)
        if exchange and cell % (2 * exchange) == exchange:
            name = f"exchange.{cell}"
            shown = [_linear(tape, x, joint, name) for x in ends]
            total = _sum(tape, shown, name)
            ends = [
                tape.add(x, _linear(tape, total, width, name), name)
                for x, width in zip(ends, widths, strict=True)
            ]
    joined = [_linear(tape, x, joint, f"tower.{n}.output") for n, x in enumerate(ends)]
    x = joined[0]
    for other in joined[1:]:
        x = tape.product(x, other, "head")
    tape.finish(tape.elementwise("aten._log_softmax", _linear(tape, x, joint, "head"), "head", 5))
    return tape


def experts(seed: int, cells: int) -> Tape:
    """Blocks in a row, each a mixer and several perceptrons side by side on shares of the data."""
    random, tape = np.random.default_rng(seed), Tape()
    width, rows = int(random.choice([512, 1024, 2048])), int(random.choice([2048, 4096]))
    count, every = int(random.choice([2, 4, 8])), int(random.integers(1, 3))
    inner = int(random.choice([2, 4])) * width // count
    x = tape.elementwise("aten.clone", tape.input((rows, width), "embedding"), "embedding")
    for cell in range(cells):
        name = f"blocks.{cell}"
        y = tape.norm("aten.native_layer_norm", x, name)
        y = tape.product(_linear(tape, y, width, name), _linear(tape, y, width, name), name)
        x = tape.add(x, _linear(tape, y, width, name), name)
        if cell % every == 0:
            gate = tape.elementwise("aten._softmax", _linear(tape, x, width, name), name, 5)
            parts = []
            for number, part in enumerate(tape.slices(tape.product(x, gate, name), count, name)):
                expert = f"{name}.expert.{number}"
                wide = tape.elementwise("aten.gelu", _linear(tape, part, inner, expert), expert)
                parts.append(_linear(tape, wide, width // count, expert))
            y = tape.cat(parts, name)
        else:
            y = tape.elementwise("aten.gelu", _linear(tape, x, 4 * width, name), name)
            y = _linear(tape, y, width, name)
        x = tape.add(x, y, name)
    tape.finish(tape.elementwise("aten._log_softmax", _linear(tape, x, 4096, "head"), "head", 5))
    return tape


def wired(seed: int, cells: int) -> Tape:
    """Cells that each take the last two, with random wiring inside (Zoph et al. 2018)."""
    random, tape = np.random.default_rng(seed), Tape()
    batch, channels = int(random.choice([16, 32, 64])), int(random.choice([32, 64, 96]))
    side, nodes = 28, int(random.integers(3, 7))
    image = tape.input((batch, 3, side, side), "stem")
    last = [_convolved(tape, image, channels, 3, "stem")] * 2
    for cell in range(cells):
        name = f"cells.{cell}"
        found = [_convolved(tape, x, channels, 1, name) for x in last]
        used: set[int] = set()
        for _ in range(nodes):
            pair = random.choice(len(found), 2, replace=len(found) < 2)
            used.update(int(i) for i in pair)
            x, y = (
                _convolved(tape, found[int(i)], channels, int(random.choice([1, 3, 3, 5])), name)
                if random.random() < 0.7
                else tape.elementwise("aten.max_pool2d", found[int(i)], name, 9)
                for i in pair
            )
            found.append(tape.add(x, y, name))
        loose = [x for i, x in enumerate(found) if i not in used]
        last = [last[1], tape.cat(loose, name)]
    tape.finish(tape.elementwise("aten.mean", last[1], "classifier"))
    return tape


def _stack(
    tape: Tape, name: str, layers: int, steps: int, width: int, batch: int, gated: bool
) -> list[int]:
    """What the last of several recurrent layers gives at each step."""
    outputs = []
    for _ in range(steps):
        x = tape.input((batch, width), "embedding")
        outputs.append(tape.elementwise("aten.clone", x, "embedding"))
    for layer in range(layers):
        outputs = _recurrence(tape, f"{name}.{layer}", outputs, width, batch, gated)
    return outputs


def _recurrence(
    tape: Tape, name: str, inputs: list[int], width: int, batch: int, gated: bool
) -> list[int]:
    weight, hidden = tape.parameter((width, 2 * width), name), tape.input((batch, width), name)
    outputs = []
    for x in inputs:
        hidden = _cell(tape, x, hidden, weight, name, gated)
        outputs.append(hidden)
    return outputs


def _cell(tape: Tape, x: int, hidden: int, weight: int, name: str, gated: bool) -> int:
    """A recurrent unit, with a gate that keeps some of what was there or without."""
    new = tape.linear(tape.cat([x, hidden], name), weight, name)
    if not gated:
        return tape.elementwise("aten.tanh", new, name)
    gate = tape.elementwise("aten.sigmoid", new, name)
    kept = tape.product(hidden, gate, name)
    return tape.add(kept, tape.product(tape.elementwise("aten.tanh", new, name), gate, name), name)


def _linear(tape: Tape, x: int, outputs: int, layer: str) -> int:
    weight = tape.parameter((outputs, tape.tensor_shapes[x][1]), layer)
    return tape.linear(x, weight, layer, tape.parameter((outputs,), layer))


def _convolved(tape: Tape, x: int, outputs: int, kernel: int, layer: str) -> int:
    weight = tape.parameter((outputs, tape.tensor_shapes[x][1], kernel, kernel), layer)
    y = tape.norm("aten.native_batch_norm", tape.convolution(x, weight, layer), layer)
    return tape.elementwise("aten.relu", y, layer)


def _sum(tape: Tape, parts: list[int], layer: str) -> int:
    total = parts[0]
    for part in parts[1:]:
        total = tape.add(total, part, layer)
    return total
