"""How an option is declared, read and shown, whatever it is about.

A class of options is a frozen attrs class whose fields are made with `option` and
`section`. From that one declaration follow the reading of a parsed YAML mapping, one
sentence for each thing that is wrong with it, and a reference that is itself a valid
file. What options there are is in `config`; what may be written for one is in `kinds`.
"""

from __future__ import annotations

import difflib
import reprlib
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

T = TypeVar("T")

_WIDTH = 80
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


class ConfigError(ValueError):
    """A configuration that cannot be used; `str()` is one sentence that says why."""


class Unfit(ValueError):
    """What was written does not fit its option; `str()` shows the part at fault."""

    def __init__(self, written: object) -> None:
        super().__init__(shown(written))


@attrs.frozen
class Kind(Generic[T]):
    """What may be written for an option."""

    #: Completes "takes …".
    expects: str
    #: The value of what was written. Raises Unfit for anything else.
    read: Callable[[object], T]
    #: The value as one would write it in YAML.
    show: Callable[[T], str]
    #: The unit, or the choice, in a word or two.
    unit: str


@attrs.frozen
class _Option(Generic[T]):
    kind: Kind[T]
    meaning: str

    def read(self, written: object, path: str) -> T:
        try:
            return self.kind.read(written)
        except Unfit as unfit:
            takes = f"{path} takes {self.kind.expects}"
            raise ConfigError(f"{takes}, not {unfit}") from None

    def lines(self, name: str, value: T) -> Iterator[str]:
        comment = f"{self.meaning} ({self.kind.unit})"
        yield from textwrap.wrap(
            comment, _WIDTH, initial_indent="# ", subsequent_indent="# "
        )
        yield f"{name}: {self.kind.show(value)}"


@attrs.frozen
class _Section(Generic[T]):
    of: Callable[[], T]
    meaning: str

    def read(self, written: object, path: str) -> T:
        return parse_section(self.of, written, path)

    def lines(self, name: str, value: T) -> Iterator[str]:
        yield from textwrap.wrap(
            self.meaning, _WIDTH, initial_indent="# ", subsequent_indent="# "
        )
        yield f"{name}:"
        for line in describe_section(value):
            yield f"  {line}" if line else line


def option(kind: Kind[T], default: object, meaning: str) -> T:
    """A field of a class of options.

    Args:
        default: as one would write it in YAML, so "30s" and not 30000.
        meaning: whole sentences, for those who run a server.
    """
    declared = {"option": _Option(kind, meaning)}
    return attrs.field(default=kind.read(default), metadata=declared)


def section(of: Callable[[], T], meaning: str) -> T:
    """A field that holds a class of options of its own."""
    declared = {"option": _Section(of, meaning)}
    return attrs.field(factory=of, metadata=declared)


def parse_section(of: Callable[[], T], written: object, path: str) -> T:
    """The options of one mapping; a section with nothing in it has the defaults.

    Args:
        path: where the mapping stands in the file, for the sentences; "" is the top.

    Raises:
        ConfigError: for an unknown key, or a value that its option does not take.
    """
    if written is None:
        return of()
    if not isinstance(written, Mapping):
        name = path or "the configuration"
        raise ConfigError(f"{name} takes a section of options, not {shown(written)}")
    options = _options(of)
    values = {}
    for key, value in written.items():
        if not isinstance(key, str) or key not in options:
            raise ConfigError(_unknown(key, options, path))
        values[key] = options[key].read(value, f"{path}.{key}" if path else key)
    return of(**values)


def describe_section(value: object) -> Iterator[str]:
    """The lines of a YAML mapping: each option, its meaning, unit and value."""
    for number, (name, declared) in enumerate(_options(type(value)).items()):
        if number:
            yield ""
        yield from declared.lines(name, getattr(value, name))


@attrs.frozen
class Entry:
    """One option in a reference, as text."""

    #: Its keys, joined by dots.
    path: str
    default: str
    meaning: str


def reference(value: object, above: str = "") -> Iterator[Entry]:
    """Every option of a section, those of the sections in it too."""
    for name, declared in _options(type(value)).items():
        below = getattr(value, name)
        if isinstance(declared, _Section):
            yield from reference(below, f"{above}{name}.")
        else:
            shown_as = declared.kind.show(below)
            yield Entry(f"{above}{name}", shown_as, declared.meaning)


def shown(written: object) -> str:
    """What stands in a configuration file, short enough for a sentence."""
    if written is None:
        return "nothing"
    if isinstance(written, bool):
        return str(written).lower()
    if isinstance(written, Mapping):
        return "a section"
    if isinstance(written, list | tuple):
        return "a list"
    return _SHORT.repr(written)


def _options(of: Any) -> dict[str, _Option[Any] | _Section[Any]]:
    return {field.name: field.metadata["option"] for field in attrs.fields(of)}


def _unknown(key: object, known: Mapping[str, object], path: str) -> str:
    sentence = f"{path or 'the configuration'} has no option {shown(key)}"
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"{sentence}; did you mean {near[0]!r}?" if near else sentence
