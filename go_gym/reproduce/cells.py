"""One agent on one graph: what the rows of its seeds say."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.specification import FIFO
from go_gym.reproduce.statistics import Ratios


@dataclass(frozen=True)
class Cell:
    """One agent on one graph: step times of its seeds in ns, empty if a seed gave no valid one."""

    times: tuple[int, ...]

    @classmethod
    def of(cls, seeds: Sequence[Row]) -> "Cell":
        """The cell of one row a seed."""
        whole = all(row.valid for row in seeds)
        return cls(tuple(row.step_time_ns for row in seeds) if whole else ())

    @property
    def median(self) -> float | None:
        """The median step time in ns; None if no seed's decision is valid."""
        return float(median(self.times)) if self.times else None

    def text(self, reference: float | None) -> str:
        """Median in ms, half the range over seeds, and the ratio to ``reference`` (ns)."""
        middle = self.median
        if middle is None:
            return "OOM"
        spread = (max(self.times) - min(self.times)) / 2
        around = f" ±{spread / 1e6:.1f}" if len(self.times) > 1 else ""
        ratio = f" ({middle / reference:.3f})" if reference else ""
        return f"{middle / 1e6:.1f}{around}{ratio}"


NONE = Cell(())


def chosen(
    rows: Iterable[Row], kind: str, best_priorities: Mapping[str, str]
) -> dict[tuple[str, str], tuple[Row, ...]]:
    """The rows behind the cell of each (graph, agent): each seed's fastest valid row that counts,
    one that is not valid where it has no other.

    Args:
        rows: any.
        kind: FIFO for the rows under first in, first out; BEST for each seed's best row under any
            priorities, by rule or the agent's own.
        best_priorities: agents for which another stands where kind is BEST: their own rows do not
            count there, and if the other has none, they have no cell.
    """
    forms = best_priorities
    plain = {form: agent for agent, form in forms.items()}
    found: dict[tuple[str, str], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        counts = row.priorities == FIFO if kind == FIFO else row.agent_name not in forms
        if counts:
            found[row.graph, plain.get(row.agent_name, row.agent_name)][row.seed].append(row)
    return {
        key: tuple(
            min(mine, key=lambda row: (not row.valid, row.step_time_ns)) for mine in seeds.values()
        )
        for key, seeds in found.items()
    }


def cells(
    rows: Iterable[Row], kind: str, best_priorities: Mapping[str, str]
) -> dict[tuple[str, str], Cell]:
    """The cell of each (graph, agent); for the arguments see :func:`chosen`."""
    return {key: Cell.of(seeds) for key, seeds in chosen(rows, kind, best_priorities).items()}


def ratios_to(known: Mapping[tuple[str, str], Cell], agent: str, reference: str) -> Ratios:
    """Each seed's ratio of ``agent``'s step time to the median of ``reference``'s, by graph."""
    found = {}
    for (graph, name), cell in known.items():
        base = known.get((graph, reference), NONE).median
        if name == agent and cell.times and base:
            found[graph] = tuple(time / base for time in cell.times)
    return found


def mean_ratio(ratios: Iterable[Sequence[float]], of: int) -> str:
    """The geometric mean over graphs of the median over seeds, and of how many if not all."""
    medians = [median(each) for each in ratios]
    return mean_text(medians, of)


def mean_text(ratios: Sequence[float], of: int) -> str:
    """A geometric mean, and of how many where that is not all."""
    if not ratios:
        return "–"
    note = "" if len(ratios) == of else f" ({len(ratios)} of {of})"
    return f"{geometric_mean(ratios):.3f}{note}"


def graphs_of(rows: Iterable[Row], order: Iterable[str]) -> list[tuple[str, str]]:
    """(graph, cluster) of the rows, in the order given, those that it does not name last."""
    place = {graph: index for index, graph in enumerate(order)}
    present = {(row.graph, row.cluster) for row in rows}
    return sorted(present, key=lambda pair: (place.get(pair[0], len(place)), pair))
