"""Names that strangers give: of agents, graphs, clusters and versions, by one rule.

Letters and digits of ASCII and ``. - _ : = ,``: no name leads out of a folder, holds markup or a
control character, or is written with letters that only look like these. Two names that people
would take for each other (:func:`skeleton`) do not stand on one board.
"""

import re
from collections.abc import Iterable, Iterator

from go_gym.errors import GoGymError

MAX_NAME = 128
"""Longest name (our choice: a file's name may have 255 bytes)."""
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:=,-]{{0,{MAX_NAME - 1}}}")
_LOOKS_LIKE = str.maketrans({"o": "0", "i": "1", "l": "1", "_": "-"})


def is_name(text: str) -> bool:
    """Whether ``text`` is a name by the rule: it starts with a letter or digit."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str, what: str, kind: type[GoGymError] = GoGymError) -> None:
    """Raise an error of that kind, saying what is named so, unless ``text`` is a name."""
    if not is_name(text):
        raise kind(
            f"{what} {text!r}: expected a letter or digit, then up to {MAX_NAME - 1} letters, "
            "digits or '.-_:=,' (ASCII)"
        )


def skeleton(name: str) -> str:
    """What names have in common that look alike: case, O and 0, I, l and 1, _ and -.

    >>> skeleton("G0_fast") == skeleton("go-fast"), skeleton("sa") == skeleton("cem")
    (True, False)
    """
    return name.casefold().translate(_LOOKS_LIKE)


def confusable(names: Iterable[str], known: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Each of ``names`` that looks like another name: one before it, or a known one."""
    seen = {skeleton(name): name for name in known}
    for name in names:
        other = seen.setdefault(skeleton(name), name)
        if other != name:
            yield name, other
