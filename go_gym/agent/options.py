"""Options of agents: declared as a frozen dataclass, read from a name, written canonically.

>>> from dataclasses import dataclass
>>> from typing import Literal
>>> @dataclass(frozen=True)
... class Options:
...     start: Literal["scratch", "best"] = option("scratch", "where the search begins")
...     groups: int = option(16, "at most so many groups of ops", least=1)
>>> read_options(Options, {"groups": "8"}, "sa")
Options(start='scratch', groups=8)
>>> written(Options(start="best"))
'start=best'
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from go_gym.errors import AgentError

TRUTH = {"yes": True, "no": False}
"""How a bool is given."""
_DOC, _LEAST = "doc", "least"


def option(default: Any, doc: str, *, least: float | None = None) -> Any:
    """A field of an agent's options: a bool, a whole number, a float or a ``Literal`` of words.

    Args:
        default: its value where a name does not give it.
        doc: one line that says what it does.
        least: of a number.
    """
    return dataclasses.field(default=default, metadata={_DOC: doc, _LEAST: least})


@dataclasses.dataclass(frozen=True)
class Option:
    """What may be said of one option.

    Attributes:
        name: as a name gives it: the field's, with ``-`` for ``_``.
        field: of the dataclass.
        kind: bool, int, float, or None for one of ``words``.
        words: what may be given, if it is words.
        least: of a number, None for any.
        default: its value where it is not given.
        doc: what it does.
    """

    name: str
    field: str
    kind: type | None
    words: tuple[str, ...]
    least: float | None
    default: Any
    doc: str

    @property
    def expected(self) -> str:
        """What is right, in words."""
        if self.words:
            return f"one of {', '.join(self.words)}"
        what = "a whole number" if self.kind is int else "a number"
        return what if self.least is None else f"{what} from {self.least:g}"

    def read(self, text: str) -> Any:
        """The value that ``text`` gives; raises ValueError if it gives none."""
        if self.kind is bool:
            if text not in TRUTH:
                raise ValueError(text)
            return TRUTH[text]
        if self.kind is None:
            if text not in self.words:
                raise ValueError(text)
            return text
        value = self.kind(text)
        below = self.least is not None and value < self.least
        if below or (self.kind is float and not math.isfinite(value)):
            raise ValueError(text)
        return value

    def written(self, value: Any) -> str:
        """``value`` as a name gives it."""
        if self.kind is bool:
            return "yes" if value else "no"
        return str(value).replace("+", "")  # 1e+20


def declared(options: type) -> tuple[Option, ...]:
    """What a dataclass of options declares, in its order; raises AgentError where it is none."""
    if not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        raise AgentError(f"options {options!r}: expected a frozen dataclass")
    types = get_type_hints(options)
    found = []
    for field in dataclasses.fields(options):
        kind: type | None = types[field.name]
        words: tuple[str, ...] = ()
        if get_origin(kind) is Literal:
            kind, words = None, get_args(kind)
        elif kind is bool:
            words = tuple(TRUTH)
        elif kind not in (int, float):
            raise AgentError(
                f"{options.__name__}.{field.name}: {kind}, expected bool, int, float or a Literal"
            )
        doc, least = field.metadata.get(_DOC, ""), field.metadata.get(_LEAST)
        name = field.name.replace("_", "-")
        found.append(Option(name, field.name, kind, words, least, field.default, doc))
    return tuple(found)


def read_options(options: type, given: Mapping[str, str], agent: str) -> Any:
    """The dataclass ``options`` with what is ``given`` by name.

    Raises AgentError, in one line, naming ``agent``, the option, what was given and what is right.
    """
    known = {each.name: each for each in declared(options)}
    values = {}
    for name, text in given.items():
        if name not in known:
            raise AgentError(f"agent {agent!r}: no option {name!r}{_nearest(name, known)}")
        try:
            values[known[name].field] = known[name].read(text)
        except ValueError:
            raise AgentError(
                f"agent {agent!r}: option {name} is {text!r}, expected {known[name].expected}"
            ) from None
    try:
        return options(**values)
    except ValueError as error:  # options that do not go together
        raise AgentError(f"agent {agent!r}: {error}") from None


def written(options: Any) -> str:
    """Canonical text of a dataclass of options: by name, those at their default left out."""
    texts = [
        f"{each.name}={each.written(value)}"
        for each in sorted(declared(type(options)), key=lambda each: each.name)
        if (value := getattr(options, each.field)) != each.default
    ]
    return ",".join(texts)


def _nearest(name: str, known: Mapping[str, Option]) -> str:
    """What was perhaps meant, and what there is."""
    if not known:
        return ": it has none"
    near = difflib.get_close_matches(name, known, n=1)
    return f"; {f'did you mean {near[0]}? ' if near else ''}it has {', '.join(known)}"
