"""The processes that a test started, and what they hold, from /proc."""

import os
from pathlib import Path

MEASURES = b"go_gym.hardware.process.child"


def measuring() -> set[int]:
    """The processes that measure, among this process's own children."""
    return {each for each in children(os.getpid()) if MEASURES in _read(each, "cmdline")}


def children(parent: int) -> set[int]:
    """The children of a process, of all its threads."""
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return {int(word) for each in lists for word in each.read_text().split()}


def group(leader: int) -> set[int]:
    """The processes of a group that have not ended; none of the group is anyone else's."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _read(int(folder.name), "stat").rsplit(b")", 1)[-1].split()
        if len(fields) > 2 and int(fields[2]) == leader and fields[0] not in (b"Z", b"X"):
            found.add(int(folder.name))
    return found


def named_memory(process: int) -> set[str]:
    """The files of shared memory that a process has mapped, which could outlive it."""
    lines = _read(process, "maps").decode().splitlines()
    return {line.split(None, 5)[5] for line in lines if "/dev/shm/" in line}


def _read(process: int, name: str) -> bytes:
    """A file of a process, empty once it has ended."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
