"""Tests of numbers again on the code paths that other machines take: ``python -m tests.portable``.

PyTorch, oneDNN, NumPy and Numba choose their kernels by the processor. Each setting below makes
them choose as an older one does, or alters threads or the hash seed, and runs

- *numeric*: tests marked ``numeric``, which compare floating-point results within a tolerance;
- *exact*: the simulator's tests and the pinned decisions, which are the same bits everywhere.

The machine's own choice is among the settings. A setting that this machine cannot take (its
processor has no AVX2) is what it would choose anyway.

Options: ``--short`` for the settings together instead of one by one, ``-n`` for processes.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GROUPS = {
    "numeric": ["-m", "numeric and not slow"],
    "exact": ["tests/simulator", *sorted(map(str, Path("tests").glob("test_pinned*.py")))],
}
QUICK = {
    "numeric": GROUPS["numeric"],
    "exact": [
        "tests/simulator/test_microcases.py",
        "tests/simulator/test_engine.py",
        *GROUPS["exact"][1:],
    ],
}
"""The same for ``--short``: of the simulator's tests the hand cases and the comparison with its
specification."""


class Setting(NamedTuple):
    """Environment variables to run groups of tests with."""

    name: str
    variables: dict[str, str]
    groups: tuple[str, ...]


NUMERIC, EXACT, BOTH = ("numeric",), ("exact",), ("numeric", "exact")
PLAIN_NUMBA = {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": ".pytest_cache/numba-generic"}
FOUND = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
PLAIN_NUMPY = {"NPY_DISABLE_CPU_FEATURES": " ".join(FOUND)}
SETTINGS = (
    Setting("this machine's own", {}, BOTH),
    Setting("ATen without vectors", {"ATEN_CPU_CAPABILITY": "default"}, NUMERIC),
    Setting("ATen with AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}, NUMERIC),
    Setting("oneDNN with SSE4.1", {"DNNL_MAX_CPU_ISA": "SSE41"}, NUMERIC),
    Setting("oneDNN with AVX2", {"DNNL_MAX_CPU_ISA": "AVX2"}, NUMERIC),
    Setting("one thread, hash seed 1", {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}, BOTH),
    Setting("two threads, hash seed 2", {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "2"}, BOTH),
    Setting("NumPy for any x86-64", PLAIN_NUMPY, BOTH),
    Setting("Numba for any x86-64", PLAIN_NUMBA, EXACT),
)
SHORT = (
    Setting(
        "PyTorch for an old processor, two threads, hash seed 1",
        {
            "ATEN_CPU_CAPABILITY": "default",
            "DNNL_MAX_CPU_ISA": "SSE41",
            "OMP_NUM_THREADS": "2",
            "PYTHONHASHSEED": "1",
        },
        NUMERIC,
    ),
    Setting(
        "NumPy and Numba for an old processor, hash seed 2",
        {**PLAIN_NUMPY, **PLAIN_NUMBA, "PYTHONHASHSEED": "2"},
        EXACT,
    ),
)


def run(setting: Setting, selection: dict[str, list[str]], processes: str) -> bool:
    """Run a setting's groups, print a line for each, and what failed; whether all passed."""
    shown = " ".join(f"{name}={value!r}" for name, value in setting.variables.items())
    print(f"{setting.name}: {shown or 'nothing set'}", flush=True)
    good = True
    for group in setting.groups:
        start = time.monotonic()
        found = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", processes, *selection[group]],
            cwd=ROOT,
            env={**os.environ, **setting.variables},
            capture_output=True,
            text=True,
        )
        lines = found.stdout.strip().splitlines() or [found.stderr.strip()]
        seconds = time.monotonic() - start
        print(f"  {group}: {lines[-1]} ({seconds:.0f} s with start)", flush=True)
        if found.returncode != 0:
            good = False
            print("\n".join(lines[:-1]), found.stderr, sep="\n", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="Numeric tests again on other code paths.")
    parser.add_argument("--short", action="store_true", help="settings together, fewer tests")
    parser.add_argument("-n", default="auto", help="processes for each setting")
    options = parser.parse_args()
    settings, selection = (SHORT, QUICK) if options.short else (SETTINGS, GROUPS)
    failed = [x.name for x in settings if not run(x, selection, options.n)]
    if failed:
        print(f"failed: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
