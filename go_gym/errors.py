"""The errors that go_gym raises. Each message says what was wrong, where, what would be right."""

import re
import unicodedata

import numpy as np

MAX_QUOTED = 300
"""How much of a text that an offender wrote a message quotes, in letters."""
MAX_MESSAGE = 2000
_QUOTED = re.compile(
    r"""(?<!\w)(?P<quote>['"])(?P<shown>(?:(?!(?P=quote)).){300})(?:(?!(?P=quote)).)+"""
)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    r"""``text`` without a letter that acts unseen: control, format (bidirectional, zero width),
    surrogate, private and unassigned ones, and separators of lines and paragraphs, are escaped.

    >>> print(visible("a\N{RIGHT-TO-LEFT OVERRIDE}b"))
    a\u202eb
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _UNSEEN
        else letter
        for letter in text
    )


def is_visible(text: str) -> bool:
    """Whether no letter of ``text`` acts unseen: see :func:`visible`."""
    return visible(text) == text


def one_line(text: str) -> str:
    """A message as one line of bounded length: see :func:`visible`; quotes over MAX_QUOTED letters
    and messages over MAX_MESSAGE are cut."""
    line = _QUOTED.sub(r"\g<quote>\g<shown>…", visible(text))
    return line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}…"


class GoGymError(ValueError):
    """Base of every error that bad input to go_gym raises; its text is one line."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class FileFormatError(GoGymError):
    """A file is truncated, too large, or not in the format that it should be in."""


class GraphError(GoGymError):
    """A computation graph is malformed: a cycle, a dangling id, a cost out of range."""


class ClusterError(GoGymError):
    """A cluster description is malformed, or names a device or link that does not exist."""


class DecisionError(GoGymError):
    """A decision does not fit its problem: wrong shape, dtype, or a device out of range."""


class ProblemError(GoGymError):
    """A graph and a cluster do not go together."""


class DatasetError(GoGymError):
    """A graph that is not in the catalogue, or whose file is missing or altered."""


class AgentError(GoGymError):
    """An agent that is not installed, cannot be loaded, or broke the protocol."""


class BudgetError(GoGymError):
    """A simulator call was asked for after the budget was used up."""


class TimeUpError(BudgetError):
    """A simulator call was asked for after the budget's CPU time was used up."""


class LeaderboardError(GoGymError):
    """A leaderboard or a submission is malformed."""


class CaptureError(GoGymError):
    """A program that cannot be captured as a computation graph."""


class HardwareError(GoGymError):
    """A measurement that cannot be made here, or that failed: a worker died, hung or raised."""


class PlatformError(HardwareError):
    """A machine on which nothing can be measured: not Linux, or cores that are not x86-64."""


class CaptureWarning(UserWarning):
    """A program that is captured with costs that are less than sure."""


def is_interrupt(error: BaseException) -> bool:
    """Is it Ctrl-C, as it comes, or as compiled code tells of it?"""
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, SystemError) and isinstance(error.__cause__, KeyboardInterrupt)
    )


def refuse_masked(label: str, values: object, kind: type[GoGymError]) -> None:
    """Raise an error of that kind for a masked array, whose mask would be lost."""
    if isinstance(values, np.ma.MaskedArray):
        raise kind(f"{label}: a masked array, expected one without a mask")
