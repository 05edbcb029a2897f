"""What a measurement says."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NOISY = 0.02
"""A step is noisy if other programs took more than this share of it (our choice)."""


@dataclass(frozen=True)
class Measurement:
    """The measured steps of a decision.

    Attributes:
        step_ns: the step times that count, in order of measuring; ns.
        taken: the share of each that other programs took, by the OS's accounting.
        repeated: steps that were measured and do not count, since others took too much of them.
        noisy: not enough quiet steps were found: the quietest count, and others took more than
            ``NOISY`` of some.
        loss: the first result of the program (the loss of a training step), None without.
        load: the machine's load average (one minute) before the first step.
        machine: what was measured on: devices, driver and library versions.
    """

    step_ns: tuple[int, ...]
    taken: tuple[float, ...]
    repeated: int
    noisy: bool
    loss: float | None
    load: float
    machine: Mapping[str, str]

    @property
    def median_ns(self) -> int:
        """The step time: the median of the steps that count."""
        return int(np.median(self.step_ns))

    @property
    def spread(self) -> float:
        """The distance between the quartiles, as a share of the median."""
        low, high = np.percentile(self.step_ns, [25, 75])
        return float((high - low) / max(1, self.median_ns))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Measurement":
        """What :meth:`as_dict` gave."""
        tuples = {key: tuple(plain[key]) for key in ("step_ns", "taken")}
        return cls(**{**plain, **tuples})
