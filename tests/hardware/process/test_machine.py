"""What a measurement says of its machine, against other sources."""

import os
import re
from pathlib import Path

import numba
import numpy as np
import pytest
import torch

from go_gym.hardware.process.machine import describe, load, read_field
from tests.hardware.requirements import runs_workers


@runs_workers
def test_the_machine_is_described_as_its_own_tools_do():
    found = describe([])
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    assert model is not None and found["cpu"].split() == model[1].split()
    assert int(found["cores"]) == os.cpu_count()
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    assert found["memory"].endswith(" GiB")
    assert abs(int(found["memory"].removesuffix(" GiB")) - installed) <= 1
    here = os.uname()
    assert found["system"].split(" ") == [here.sysname, here.release, here.machine]
    assert (found["numpy"], found["numba"]) == (np.__version__, numba.__version__)
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "gpus" not in found and "driver" not in found


@runs_workers
def test_the_load_is_the_kernel_s():
    def now() -> float:
        return float(Path("/proc/loadavg").read_text().split()[0])

    before, found, after = now(), load(), now()
    assert found in (pytest.approx(before, abs=0.01), pytest.approx(after, abs=0.01))


def test_a_field_is_read_by_its_whole_name(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotalish: 1 kB\nMemTotal:     16384   kB\nMemTotal: 2 kB\n")
    assert read_field(path, "MemTotal") == "16384 kB"
    assert read_field(path, "MemFree") == ""
    assert read_field(tmp_path / "none", "MemTotal") == ""
