"""Who may import whom, and what a test file has to look like: read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import matrix_presence
from tests.base import TestCase

PACKAGE = Path(matrix_presence.__file__).parent
TESTS = Path(__file__).parent

#: The parts of the package, floor by floor. A part imports from its own floor and from
#: those below it.
FLOORS = (
    ("config", "errors", "ids", "kinds", "options", "rate_limits", "rules"),
    ("cache", "wire"),
    ("interfaces",),
    (
        "device_inputs",
        "handler",
        "lists",
        "persistence",
        "positions",
        "postponed",
        "remotes",
        "rows",
        "rule_options",
        "standings",
        "sweep",
        "sync_inputs",
        "ticks",
        "view",
        "waiting",
    ),
    ("federation", "storage", "web"),
    ("service",),
    ("check", "homeserver", "synapse", "testing"),
    ("__main__", "__init__"),
)
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
#: Parts that know one another by the ports only.
STRANGERS = frozenset({"federation", "storage", "web"})
#: What pure decisions and pure translations have no use for.
IMPURE = frozenset({"logging", "time", "twisted"})


def part_of(file: Path) -> str:
    """The name under the package that this file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports, also inside functions.

    `from a.b import c` counts as `a.b.c`: c may be a module, and it does no harm if it
    is not. A relative import begins with a dot.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{name.name}" for name in node.names)


def own_imports() -> Iterator[tuple[Path, str, str]]:
    """Each import of the package from itself: the file, its part, the other part."""
    for file in PACKAGE.rglob("*.py"):
        for name in imports(file):
            top, _, rest = name.partition(".")
            if top == "matrix_presence":
                part = rest.partition(".")[0]
                # What is no file is a name of the package itself, as its version is.
                exists = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists()
                yield file, part_of(file), part if exists else "__init__"


class LayerTests(TestCase):
    """Imports point downwards."""

    def test_every_part_has_its_floor(self) -> None:
        """A new part of the package is given a floor before it is used."""
        parts = {part_of(file) for file in PACKAGE.rglob("*.py")}
        self.assertEqual(set(), parts - set(FLOOR_OF))

    def test_nothing_is_imported_from_above(self) -> None:
        """No part imports from a floor above its own."""
        upwards = [
            f"{file.relative_to(PACKAGE)} imports {other}"
            for file, part, other in own_imports()
            if FLOOR_OF.get(other, 0) > FLOOR_OF.get(part, len(FLOORS))
        ]
        self.assertEqual([], upwards)

    def test_parts_do_not_import_in_a_circle(self) -> None:
        """The parts can be put into an order in which each needs only those before."""
        needs: dict[str, set[str]] = {}
        for _file, part, other in own_imports():
            if part != other:
                needs.setdefault(part, set()).add(other)
        self.assertTrue(list(TopologicalSorter(needs).static_order()))

    def test_storage_federation_and_web_are_strangers(self) -> None:
        """None of the three imports one of the others."""
        met = [
            f"{file.relative_to(PACKAGE)} imports {other}"
            for file, part, other in own_imports()
            if {part, other} <= STRANGERS and part != other
        ]
        self.assertEqual([], met)

    def test_rules_and_wire_are_pure(self) -> None:
        """Neither knows of Twisted, of logging or of the time."""
        impure = [
            f"{file.relative_to(PACKAGE)} imports {name}"
            for part in ("rules", "wire")
            for file in (PACKAGE / part).rglob("*.py")
            for name in imports(file)
            if name.partition(".")[0] in IMPURE
        ]
        self.assertEqual([], impure)

    def test_only_the_command_line_touches_the_reactor(self) -> None:
        """Everybody else is handed a clock or a reactor."""
        touching = {
            str(file.relative_to(PACKAGE))
            for file in PACKAGE.rglob("*.py")
            if _touches_the_reactor(file)
        }
        self.assertEqual({"__main__.py"}, touching)

    def test_only_the_synapse_module_imports_synapse(self) -> None:
        """Synapse is a dependency of one part and of no other."""
        importing = {
            part_of(file)
            for file in PACKAGE.rglob("*.py")
            for name in imports(file)
            if name.partition(".")[0] == "synapse"
        }
        self.assertLessEqual(importing, {"synapse"})

    def test_imports_are_absolute_and_named(self) -> None:
        """No import is relative, none is a wildcard."""
        loose = [
            f"{file.relative_to(PACKAGE)} imports {name}"
            for file in PACKAGE.rglob("*.py")
            for name in imports(file)
            if name.startswith(".") or name.endswith(".*")
        ]
        self.assertEqual([], loose)


class TestFileTests(TestCase):
    """Both runners find the same tests, and each test says what it shows."""

    def test_only_interop_tests_are_bare_functions(self) -> None:
        """Trial does not see test functions, so they are left to `tests/interop`."""
        bare = [
            f"{file.relative_to(TESTS)}: {node.name}"
            for file in _ordinary_test_files()
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test")
        ]
        self.assertEqual([], bare)

    def test_every_directory_of_tests_is_a_package(self) -> None:
        """Trial does not look into a directory without `__init__.py`."""
        bare = {
            str(file.parent.relative_to(TESTS))
            for file in TESTS.rglob("test_*.py")
            if not (file.parent / "__init__.py").exists()
        }
        self.assertEqual(set(), bare)

    def test_every_test_says_what_it_shows(self) -> None:
        """Each test method has a docstring: the behaviour, as a sentence."""
        silent = [
            f"{file.relative_to(TESTS)}: {node.name}"
            for file in _ordinary_test_files()
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and ast.get_docstring(node) is None
        ]
        self.assertEqual([], silent)


def _ordinary_test_files() -> Iterator[Path]:
    return (
        file
        for file in TESTS.rglob("test_*.py")
        if "interop" not in file.relative_to(TESTS).parts
    )


def _touches_the_reactor(file: Path) -> bool:
    """Whether a file imports the reactor, or lets `task.react` do it."""
    if any(name.endswith((".reactor", ".react")) for name in imports(file)):
        return True
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "task.react"
        for node in ast.walk(tree)
    )
