"""How the simulator's functions are compiled.

Without Numba's reference counting, which takes four fifths of the time where helpers are handed
ten arrays each: jitted code of the simulator allocates nothing, and Numba refuses to compile it if
it did.
"""

import hashlib
from collections.abc import Callable
from functools import cache, wraps
from importlib import resources
from typing import Any

from numba import njit

SOURCES = ("go_gym.cluster", "go_gym.simulator", "go_gym.simulator.delta")
"""Packages whose files an entry point is compiled from."""

jit = njit(  # type: ignore[call-overload]
    _nrt=False, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_once = njit(  # type: ignore[call-overload]  # called in one place, not compiled by itself
    _nrt=False, inline="always", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_apart = njit(  # type: ignore[call-overload]  # called seldom: quicker to compile
    _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_entry = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True)  # type: ignore[call-overload]
jit_bound = njit(cache=True, nogil=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
"""An entry point that is handed a structref, whose arrays are counted."""


def entry_point(make: Callable[[str], Callable[..., Any]]) -> Callable[..., Any]:
    """What Python calls: a function that ``make`` gives, compiled when it is called first.

    Numba keeps what it compiled on disk, and looks at the file and the closure of the entry point
    alone, not at those of what is inlined into it. So ``make`` gets a stamp of all these files,
    which the function that it gives has to mention.
    """

    @cache
    def compiled() -> Callable[..., Any]:
        return make(_stamp())

    @wraps(make)
    def call(*args: Any) -> Any:
        return compiled()(*args)

    return call


@cache
def _stamp() -> str:
    """A hash of the source files, or of nothing where there are none."""
    found = hashlib.sha256()
    for package in SOURCES:
        for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                found.update(file.read_bytes())
    return found.hexdigest()
