"""The checks there are, and which of them are asked for."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import attrs

from matrix_presence.check.timers import NO_WAIT, Wait

if TYPE_CHECKING:
    from matrix_presence.check.bench import Bench


class Profile(StrEnum):
    """Which text a check rests on, and so for whom it matters."""

    MODERN = "modern"
    LEGACY = "legacy"
    FEDERATION = "federation"
    OPTIONAL = "optional"


class Need(StrEnum):
    """What a check cannot do without, besides A, B, C and their room."""

    #: Accounts nobody has used yet.
    NEW_ACCOUNT = "new account"
    #: A server of ours that the target federates with.
    PEER = "peer"
    #: An application service that the target knows.
    APPSERVICE = "application service"
    #: A way to restart the target.
    RESTART = "restart"


CheckFunction = Callable[["Bench"], Awaitable[None]]
"""Returns if all is well, raises Failed, Skipped or NotOffered otherwise."""


@attrs.frozen
class Check:
    """One thing that a homeserver should do."""

    #: As in the catalogue of checks; the order in which they are shown.
    number: int
    #: In lower case with hyphens, for `--only` and `--skip`.
    name: str
    #: What should happen, as a sentence: the docstring of the function.
    title: str
    #: What it rests on: a row of the catalogue of requirements, and its sentence.
    source: str
    profile: Profile
    run: CheckFunction
    wait: Wait = NO_WAIT
    needs: frozenset[Need] = frozenset()


class UnknownCheck(ValueError):
    """A pattern that fits no check; `str()` is one sentence."""


_checks: dict[int, Check] = {}


def check(
    number: int,
    name: str,
    *,
    source: str,
    profile: str = Profile.MODERN,
    wait: Wait = NO_WAIT,
    needs: Iterable[Need] = (),
) -> Callable[[CheckFunction], CheckFunction]:
    """Make a function one of the checks; its docstring says what should happen."""

    def add(function: CheckFunction) -> CheckFunction:
        if number in _checks:
            raise ValueError(f"two checks have the number {number}")
        title = (inspect.getdoc(function) or "").partition("\n\n")[0]
        _checks[number] = Check(
            number,
            name,
            " ".join(title.split()),
            source,
            Profile(profile),
            function,
            wait,
            frozenset(needs),
        )
        return function

    return add


#: A check of what servers tell each other, for which one of ours is needed.
federation_check = partial(check, profile=Profile.FEDERATION, needs=[Need.PEER])


def all_checks() -> Sequence[Check]:
    """Every check of the package, by number."""
    package = importlib.import_module("matrix_presence.check")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.partition("_")[0] in set(Profile):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return [_checks[number] for number in sorted(_checks)]


def select(
    checks: Iterable[Check],
    profiles: Collection[Profile],
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> Sequence[Check]:
    """Those of the checks that are asked for.

    Args:
        profiles: what is run where `only` names nothing; what it names is run whatever
            its profile is.
        only: numbers, ranges (`43-72`), names or patterns of names (`sync-*`).
        skip: the same; goes before `only`.

    Raises:
        UnknownCheck: one of them fits no check at all.
    """
    checks = list(checks)
    for pattern in (*only, *skip):
        if not any(_fits(pattern, one) for one in checks):
            raise UnknownCheck(f"no check is called {pattern!r}; --list shows them")
    return [
        one
        for one in checks
        if (
            any(_fits(pattern, one) for pattern in only)
            if only
            else one.profile in profiles
        )
        and not any(_fits(pattern, one) for pattern in skip)
    ]


def _fits(pattern: str, one: Check) -> bool:
    first, dash, last = pattern.partition("-")
    if first.isdecimal() and (not dash or last.isdecimal()):
        return int(first) <= one.number <= int(last or first)
    return fnmatchcase(one.name, pattern)
