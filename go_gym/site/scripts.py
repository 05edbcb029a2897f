"""Data as scripts: pages opened from files may load no other kind."""

import json
import re
from typing import Any

from go_gym.files import sha256

DIGITS = 5
"""Of the numbers that pages show: more than they do."""
MAX_NAME = 80
REPLACED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&"}
"""Letters that mean something in HTML: no string of the data can end a script element."""


def data_script(key: str, value: Any) -> str:
    """A script that hands ``value`` to the page under ``key``.

    Only ASCII, so neither U+2028 nor the file's encoding matters.

    Raises:
        ValueError: for a number that is not finite.
    """
    words = (json.dumps(each, separators=(",", ":"), allow_nan=False) for each in (key, value))
    return f"goGym.add({','.join(words)});\n".translate(REPLACED)


def short(number: float | None) -> float | None:
    """``number`` with as many digits as scripts hold."""
    return None if number is None else float(f"{number:.{DIGITS}g}")


def file_name(name: str) -> str:
    """A name for files and links: letters, digits, dots and hyphens; no two names share one."""
    safe = re.sub(r"[^A-Za-z0-9.-]", "_", name)[:MAX_NAME].lstrip(".")
    return safe if safe and safe == name else f"{safe}-{sha256(name.encode())[:8]}"
