"""The curve of a training, kept batch by batch and over stops."""

from collections.abc import Mapping, Sequence
from typing import Any

from go_gym.agent import Curve, Improvement, Window
from go_gym.simulator import Result


class Recorder:
    """Keeps the curve of a training: its improvements, and a window for each batch of calls.

    A budget keeps one too, of its own calls; a training that was stopped has had several budgets.

    Attributes:
        calls: simulator calls so far.
        best_step_time_ns: the best valid step time so far, None before the first.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.best_step_time_ns: int | None = None
        self._improvements: list[Improvement] = []
        self._windows: list[Window] = []

    @property
    def curve(self) -> Curve:
        """The curve so far; batches without a valid decision have no window."""
        return Curve(tuple(self._improvements), tuple(self._windows))

    def note(self, results: Sequence[Result]) -> None:
        """Add a batch of results, in the order of their calls."""
        times = []
        for result in results:
            self.calls += 1
            if result.valid:
                times.append(result.step_time_ns)
                self._improve(result.step_time_ns)
        self._close(times)

    def note_stretch(self, calls: int, best: int | None, times: Sequence[int]) -> None:
        """Add a batch of ``calls`` of which only these are known: the ``best`` step time in ns at
        its end, None before a valid one, and the step ``times`` of some that were valid."""
        self.calls += calls
        if best is not None:
            self._improve(best)
        self._close(times)

    def numbers(self) -> dict[str, Any]:
        """All of it, as JSON, for a checkpoint."""
        return {
            "calls": self.calls,
            "improvements": [[each.calls, each.step_time_ns] for each in self._improvements],
            "windows": [[each.calls, each.mean_step_time_ns] for each in self._windows],
        }

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> "Recorder":
        """From :meth:`numbers`."""
        made = cls()
        made.calls = numbers["calls"]
        made._improvements = [Improvement(*each) for each in numbers["improvements"]]
        made._windows = [Window(*each) for each in numbers["windows"]]
        if made._improvements:
            made.best_step_time_ns = made._improvements[-1].step_time_ns
        return made

    def _improve(self, step_time_ns: int) -> None:
        if self.best_step_time_ns is None or step_time_ns < self.best_step_time_ns:
            self.best_step_time_ns = step_time_ns
            self._improvements.append(Improvement(self.calls, step_time_ns))

    def _close(self, times: Sequence[int]) -> None:
        if times:
            self._windows.append(Window(self.calls, round(sum(times) / len(times))))
