"""The go-gym program, installed as ``go_gym_command``: beside go_gym, whose import takes a second.

So Ctrl-C and SIGTERM end it with one line from the first moment on.
"""

import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended, by the shells' convention."""


def main() -> None:
    """Run the command line; SIGTERM ends it as Ctrl-C does."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        from go_gym.cli import app
    except KeyboardInterrupt:
        print("go-gym: stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    app()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
