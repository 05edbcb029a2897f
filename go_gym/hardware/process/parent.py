"""The parent's end of the process that measures: started, asked, and ended whatever happens."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from go_gym.errors import HardwareError

LONGEST_WAIT = 1e6
"""Seconds that are waited for an answer at most: the system's call takes no more than weeks."""
ENDING_SECONDS = 5.0
"""The longest that killed workers are waited for."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The allocator does not give memory back: to touch a page first takes several times as long as
    # to use it. Nor may small free pieces, set apart for speed, split the large ones for ever.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0",
}


class MeasuringProcess:
    """A process of :mod:`go_gym.hardware.process.child`, in a group of its own with its workers.

    Attributes:
        number: the process's, and its group's.
    """

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "go_gym.hardware.process.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,  # Ctrl-C goes to the parent, which ends the group
            )
        self.number = self._process.pid

    def ask(self, request: dict[str, Any], data: bytes, seconds: float) -> dict[str, Any]:
        """What the process answers to a request, as JSON, with the bytes that go with it.

        Raises:
            HardwareError: if it reports an error, ends, or does not answer within ``seconds``.
        """
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            self._connection.send_bytes(data)
            if not self._connection.poll(min(seconds, LONGEST_WAIT)):
                raise HardwareError(
                    f"no answer within {seconds:.0f} s; the process that measures was ended"
                )
            reply = json.loads(self._connection.recv_bytes())
        except (EOFError, ConnectionError):
            raise HardwareError(self._obituary()) from None
        if "error" in reply:
            raise HardwareError(reply["error"])
        return reply["ok"]

    def close(self) -> None:
        """End the process and its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.number, signal.SIGKILL)
        self._process.wait()
        _wait_for_end(self.number)
        self._connection.close()
        self._output.close()

    def _obituary(self) -> str:
        """How the process ended, and the last that it wrote."""
        code = self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        last = f": {lines[-1]}" if lines else ""
        return f"the process that measures {how}{last}"


def _wait_for_end(group: int) -> None:
    """Until the killed processes of ``group`` are gone: a moment, as nobody waits for them."""
    end = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.001)
