"""What may be written for an option: durations, sizes, numbers, switches, choices.

Each reads strictly. A `true` where a number belongs is a mistake of the writer, and the
sentence that says so costs less than the search for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

from matrix_presence.options import Kind, Unfit

T = TypeVar("T")

#: Milliseconds of each unit of a duration, the longest first.
_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
#: One year. Sums of a time and a duration stay far from the limit of any clock.
_LONGEST = 365 * _UNITS["d"]

#: Bytes of each unit of a size.
_SIZES = {"": 1, "K": 1024, "M": 1024**2}
_SIZE = re.compile(r"([0-9]{1,15})([KM]?)")

#: Control characters and lone surrogates: no part of any name, path or address.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def show_duration(ms: int) -> str:
    """Milliseconds as one would write them: in the longest unit without a rest."""
    if ms == 0:
        return "0s"
    unit = next(unit for unit, length in _UNITS.items() if ms % length == 0)
    return f"{ms // _UNITS[unit]}{unit}"


def read_duration(written: object) -> int:
    """Milliseconds of `30s`, `5m`, `1h`, `1d`, `100ms`, or of a number of them.

    Raises:
        Unfit: it is none of these, or longer than a year.
    """
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    ms = int(match[1]) * _UNITS[match[2]] if match else _whole(written)
    if not 0 <= ms <= _LONGEST:
        raise Unfit(written)
    return ms


def _whole(written: object) -> int:
    """The number, if it is one: `true` is an int to Python, not to those who write."""
    if type(written) is not int:
        raise Unfit(written)
    return written


def count(least: int = 0, unit: str = "whole number") -> Kind[int]:
    """A whole number, not below `least`."""

    def read(written: object) -> int:
        number = _whole(written)
        if number < least:
            raise Unfit(written)
        return number

    return Kind(f"a whole number from {least} on", read, str, unit)


def size(most: int) -> Kind[int]:
    """A number of bytes, not above `most`."""

    def read(written: object) -> int:
        match = _SIZE.fullmatch(written) if isinstance(written, str) else None
        number = int(match[1]) * _SIZES[match[2]] if match else _whole(written)
        if not 0 <= number <= most:
            raise Unfit(written)
        return number

    expects = f"a size up to {most} bytes such as 512 or 1K"
    return Kind(expects, read, str, "bytes")


def choice(*values: T) -> Kind[T]:
    """One of these values, of the same type too: 1 is not `true`."""

    def read(written: object) -> T:
        for value in values:
            if type(written) is type(value) and written == value:
                return value
        raise Unfit(written)

    *others, last = map(_plain, values)
    expects = f"{', '.join(others)} or {last}"
    return Kind(expects, read, _plain, expects)


def optional(kind: Kind[T]) -> Kind[T | None]:
    """The same, or nothing."""

    def read(written: object) -> T | None:
        return None if written is None else kind.read(written)

    def show(value: T | None) -> str:
        return "null" if value is None else kind.show(value)

    return Kind(kind.expects, read, show, kind.unit)


def several(item: Kind[T], expects: str) -> Kind[tuple[T, ...]]:
    """A list of these, in the order in which they are written.

    Args:
        expects: completes "takes …" for the whole list.
    """

    def read(written: object) -> tuple[T, ...]:
        if not isinstance(written, list | tuple):
            raise Unfit(written)
        return tuple(map(item.read, written))

    def show(values: tuple[T, ...]) -> str:
        return f"[{', '.join(map(item.show, values))}]"

    return Kind(expects, read, show, f"list of {item.unit}s")


def one_or_several(item: Kind[T], expects: str) -> Kind[tuple[T, ...]]:
    """A list of these, or a single one without the brackets.

    Args:
        expects: completes "takes …" for the whole.
    """
    many = several(item, expects)

    def read(written: object) -> tuple[T, ...]:
        if isinstance(written, list | tuple):
            return many.read(written)
        return (item.read(written),)

    return Kind(expects, read, many.show, expects)


def text(expects: str, unit: str, fits: Callable[[str], object]) -> Kind[str]:
    """A text that `fits` finds something in.

    Args:
        expects: completes "takes …".
    """

    def read(written: object) -> str:
        if not isinstance(written, str) or _NO_TEXT.search(written):
            raise Unfit(written)
        if not fits(written):
            raise Unfit(written)
        return written

    return Kind(expects, read, _quoted, unit)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: str) -> str:
    """As a YAML scalar in single quotes, in which only the quote is special."""
    return "'" + value.replace("'", "''") + "'"


def _read_rate(written: object) -> float:
    if type(written) not in (int, float):
        raise Unfit(written)
    number = float(written)  # type: ignore[arg-type]  # narrowed by type() above
    if not (math.isfinite(number) and number >= 0):
        raise Unfit(written)
    return number


def _read_timeout(written: object) -> int:
    ms = read_duration(written)
    if ms == 0:
        raise Unfit(written)
    return ms


_SUCH_AS = "such as 100ms, 30s, 5m, 1h, 1d or a number of milliseconds"

#: A time that may be 0; int milliseconds.
DURATION = Kind(f"a duration {_SUCH_AS}", read_duration, show_duration, "duration")
#: A time longer than 0; int milliseconds.
TIMEOUT = Kind(
    f"a duration above 0 {_SUCH_AS}", _read_timeout, show_duration, "duration"
)
#: A number a second; 0 for no limit.
RATE = Kind("a number from 0 up", _read_rate, lambda rate: f"{rate:g}", "per second")
SWITCH: Kind[bool] = choice(True, False)
