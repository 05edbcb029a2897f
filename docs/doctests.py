"""Docstrings' examples as blocks of code: Markdown would read ``[4]["key"]`` as a link."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences each paragraph that begins with ``>>>``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of ``obj``, if it has one."""
        if obj.docstring and ">>> " in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """``text`` with its examples in fences."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{found.group()}\n```", text)
