"""What ran a row, and on which machine: ``provenance.toml``, a table for each of the rows' keys."""

import hashlib
import json
import os
import platform
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tomli_w

import go_gym
from go_gym.errors import LeaderboardError, is_visible
from go_gym.files import atomic_write, read_text

PROVENANCE = "provenance.toml"
LIBRARIES = ("numpy", "numba", "scipy", "torch", "torch-geometric", "pymetis", "ortools")
"""Those whose results decisions may depend on."""
MAX_RECORDS = 10_000


@dataclass(frozen=True)
class Provenance:
    """What a row was run with.

    Attributes:
        package: version of go_gym.
        commit: of the checkout that it ran from, "" for an installed package, with ``+`` where
            files differ from it.
        python, system, processor: as they name themselves.
        cores: that the process may run on.
        threads: that the environment allows to libraries (OMP_NUM_THREADS), "" where it says none.
        libraries: versions as ``name==version``, in the order of LIBRARIES, those installed.
    """

    package: str
    commit: str
    python: str
    system: str
    processor: str
    cores: int
    threads: str
    libraries: str

    @property
    def key(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the record."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


@cache
def of_this_process() -> Provenance:
    """The provenance of what this process runs."""
    affinity = getattr(os, "sched_getaffinity", None)
    return Provenance(
        package=go_gym.__version__,
        commit=_commit(Path(go_gym.__file__).parent),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        threads=os.environ.get("OMP_NUM_THREADS", "")[:16],
        libraries=" ".join(filter(None, map(_library, LIBRARIES))),
    )


def read_provenance(folder: Path) -> dict[str, Provenance]:
    """The records of a board by their keys, none without a file.

    Raises:
        FileFormatError, LeaderboardError: naming the file and record that is malformed, or whose
            key is not its own.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return {}
    try:
        tables = tomllib.loads(read_text(path, 2**24))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LeaderboardError(f"{path}: not TOML: {error}") from None
    if len(tables) > MAX_RECORDS:
        raise LeaderboardError(f"{path}: more than {MAX_RECORDS:,} records")
    return {key: _record(key, table, f"{path}, [{key}]") for key, table in tables.items()}


def write_provenance(folder: Path, records: Iterable[Provenance]) -> None:
    """Write the records of a board, by key; no file for none."""
    tables = {record.key: asdict(record) for record in records}
    if tables:
        atomic_write(folder / PROVENANCE, tomli_w.dumps(dict(sorted(tables.items()))))


def _record(key: str, table: object, where: str) -> Provenance:
    columns = {field.name: field.type for field in fields(Provenance)}
    if not isinstance(table, Mapping) or set(table) != set(columns):
        raise LeaderboardError(f"{where}: expected {', '.join(columns)}")
    for name, kind in columns.items():
        value = table[name]
        if type(value) is not kind or not is_visible(str(value)) or len(str(value)) > 512:
            raise LeaderboardError(f"{where}: {name} is {value!r}, expected a short line or number")
    record = Provenance(**table)
    if record.key != key:
        raise LeaderboardError(f"{where}: its content has the key {record.key}")
    return record


def _library(name: str) -> str:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor's name; Linux tells it in a file alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (named[0] if named else platform.processor() or "unknown")[:128]


def _commit(folder: Path) -> str:
    """The commit of the checkout that a folder lies in, "" where it lies in none."""
    try:
        top = Path(_git(folder, "rev-parse", "--show-toplevel"))
        if not (top / "pyproject.toml").exists():
            return ""
        commit = _git(folder, "rev-parse", "HEAD")[:40]
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", top / "*.py")
        return f"{commit}+" if changed else commit
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str | Path) -> str:
    command = ["git", "-C", str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
