"""Learning curves: best and mean step time over simulator calls, as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from go_gym.files import atomic_write, read_text
from go_gym.simulator import Result


@dataclass(frozen=True)
class CurvePoint:
    """A batch of simulated decisions.

    Attributes:
        calls: simulator calls so far, this batch included.
        best_step_time_ns: the best valid step time so far, -1 before the first.
        mean_step_time_ns: of the batch's valid decisions, NaN without any.
        valid: share of the batch that is valid.
    """

    calls: int
    best_step_time_ns: int
    mean_step_time_ns: float
    valid: float


class LearningCurve:
    """What an agent's samples were worth, batch by batch.

    Attributes:
        points: a CurvePoint a batch, in order.
    """

    def __init__(self, points: Sequence[CurvePoint] = ()) -> None:
        self.points = list(points)

    @property
    def calls(self) -> int:
        """Simulator calls so far."""
        return self.points[-1].calls if self.points else 0

    def note(self, results: Sequence[Result]) -> None:
        """Add a batch of results, in the order of their calls."""
        best = self.points[-1].best_step_time_ns if self.points else -1
        times = [result.step_time_ns for result in results if result.valid]
        if times:
            best = min(times) if best < 0 else min(best, *times)
        mean = sum(times) / len(times) if times else math.nan
        share = len(times) / max(len(results), 1)
        self.points.append(CurvePoint(self.calls + len(results), best, mean, share))

    def write(self, path: str | Path) -> None:
        """Write the CSV, a line a batch, whole or not at all."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(CurvePoint)])
        writer.writerows(astuple(point) for point in self.points)
        atomic_write(path, text.getvalue())

    @classmethod
    def read(cls, path: str | Path) -> "LearningCurve":
        """The curve that :meth:`write` wrote."""
        rows = csv.reader(read_text(path).splitlines()[1:])
        return cls(
            [
                CurvePoint(int(calls), int(best), float(mean), float(valid))
                for calls, best, mean, valid in rows
            ]
        )
