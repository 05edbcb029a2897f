"""Schedules of pipelines: in which order each device runs the passes of its stages.

A *pass* is what one micro-batch needs of one stage: forward, or backward, whose weight gradients
may be a pass of their own. Stages are numbered along the model; with ``chunks`` above one a device
has several, stage s on device s modulo the devices.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from go_gym.errors import GoGymError

FORWARD, BACKWARD, WEIGHTS = "forward", "backward", "weights"


class Pass(NamedTuple):
    """A pass of one micro-batch through one stage."""

    kind: str
    stage: int
    micro: int


Sequences = list[list[Pass]]
"""For each device its passes, in order."""


def gpipe(devices: int, micro: int) -> Sequences:
    """All forward passes, then all backward ones (Huang et al., GPipe, NeurIPS 2019)."""
    return [
        [Pass(FORWARD, stage, m) for m in range(micro)]
        + [Pass(BACKWARD, stage, m) for m in range(micro)]
        for stage in range(devices)
    ]


def one_forward_one_backward(devices: int, micro: int) -> Sequences:
    """One forward, one backward once the pipeline is full: stage s holds the activations of at
    most ``devices - s`` micro-batches (PipeDream-Flush: Narayanan et al., ICML 2021)."""
    return interleaved(devices, micro, 1)


def interleaved(devices: int, micro: int, chunks: int = 2) -> Sequences:
    """One forward, one backward with ``chunks`` stages a device, which divides the bubble by as
    many (Narayanan et al., Megatron-LM, SC 2021, section 2.2).

    Raises:
        GoGymError: unless ``micro`` is a multiple of ``devices``, where there are several chunks.
    """
    if chunks > 1 and micro % devices:
        raise GoGymError(
            f"interleaved: {micro} micro-batches on {devices} devices, expected a multiple"
        )
    total, in_turn = micro * chunks, devices if chunks > 1 else micro

    def nth(number: int, device: int, backward: bool) -> Pass:
        """The device's n-th pass of a direction: ``in_turn`` micro-batches a chunk in turn."""
        turn, within = divmod(number, in_turn * chunks)
        chunk, offset = divmod(within, in_turn)
        if backward:
            chunk = chunks - 1 - chunk
        kind = BACKWARD if backward else FORWARD
        return Pass(kind, chunk * devices + device, turn * in_turn + offset)

    sequences = []
    for device in range(devices):
        ahead = devices - 1 - device
        if chunks > 1:
            ahead = 2 * ahead + (chunks - 1) * devices
        ahead = min(ahead, total)
        passes = [nth(i, device, False) for i in range(ahead)]
        for i in range(total - ahead):
            passes += [nth(ahead + i, device, False), nth(i, device, True)]
        passes += [nth(i, device, True) for i in range(total - ahead, total)]
        sequences.append(passes)
    return sequences


def zero_bubble(devices: int, micro: int) -> Sequences:
    """One forward, one backward, whose weight gradients are put off: stage s lets as many of its
    micro-batches wait as it would otherwise idle for, and holds no more activations than one
    forward, one backward does (ZB-H1: Qi et al., Zero Bubble Pipeline Parallelism, ICLR 2024)."""
    sequences = []
    for stage, plain in enumerate(one_forward_one_backward(devices, micro)):
        passes, owed = [], 0
        for each in plain:
            passes.append(each)
            if each.kind == BACKWARD and each.micro >= stage:
                passes.append(Pass(WEIGHTS, stage, owed))
                owed += 1
        passes += [Pass(WEIGHTS, stage, m) for m in range(owed, micro)]
        sequences.append(passes)
    return sequences


SCHEDULES: dict[str, Callable[[int, int], Sequences]] = {
    "gpipe": gpipe,
    "1f1b": one_forward_one_backward,
    "interleaved": interleaved,
    "zero-bubble": zero_bubble,
}
"""By name, for ``devices`` and micro-batches; ``interleaved`` has two stages a device."""

CHUNKS = {"interleaved": 2}
"""Stages a device, where they are several."""


def forward_only(sequences: Sequences) -> Sequences:
    """The forward passes alone: inference."""
    return [[each for each in passes if each.kind == FORWARD] for passes in sequences]


def in_one_sequence(sequences: Sequences, stages: int) -> list[Pass]:
    """All passes in one order that keeps each device's and every dependency: as they would run if
    each took as long.

    Raises:
        GoGymError: where devices would wait for each other for ever.
    """
    done: set[Pass] = set()
    at = [0] * len(sequences)
    order: list[Pass] = []
    while True:
        ready = [
            device
            for device, passes in enumerate(sequences)
            if at[device] < len(passes) and _needs(passes[at[device]], stages) <= done
        ]
        if not ready:
            break
        order += [sequences[device][at[device]] for device in ready]
        done |= {sequences[device][at[device]] for device in ready}
        for device in ready:
            at[device] += 1
    left = [passes[i] for i, passes in zip(at, sequences, strict=True) if i < len(passes)]
    if left:
        raise GoGymError(f"schedule: {left[0]} waits for what comes after it")
    return order


def _needs(each: Pass, stages: int) -> set[Pass]:
    kind, stage, micro = each
    if kind == FORWARD:
        return {Pass(FORWARD, stage - 1, micro)} if stage else set()
    if kind == WEIGHTS:
        return {Pass(BACKWARD, stage, micro)}
    last = stage == stages - 1
    return {Pass(FORWARD, stage, micro) if last else Pass(BACKWARD, stage + 1, micro)}


def held(passes: Sequence[Pass]) -> int:
    """The most micro-batches whose activations a device holds: forward done, backward not."""
    now = most = 0
    for each in passes:
        now += {FORWARD: 1, BACKWARD: -1, WEIGHTS: 0}[each.kind]
        most = max(most, now)
    return most
