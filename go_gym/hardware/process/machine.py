"""What a measurement was made on, in words."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from go_gym.hardware.runtime.places import Place


def describe(places: Iterable[Place]) -> dict[str, str]:
    """The machine's devices, system, driver and library versions."""
    facts = {
        "cpu": read_field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": _gibibytes(read_field("/proc/meminfo", "MemTotal")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "numpy", "numba")},
    }
    gpus = [place.number for place in places if place.kind == "cuda"]
    if gpus:
        import torch

        facts["gpus"] = ", ".join(torch.cuda.get_device_name(number) for number in gpus)
        facts["cuda"] = str(torch.version.cuda)
        facts["driver"] = read_field("/proc/driver/nvidia/version", "NVRM version")
    return facts


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def read_field(path: str | Path, name: str) -> str:
    """The value of the first line ``name: value`` of a file; empty if there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return " ".join(value.split())
    return ""


def _gibibytes(text: str) -> str:
    number = text.split(" ")[0]
    return f"{int(number) / 2**20:.0f} GiB" if number.isdigit() else text


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
