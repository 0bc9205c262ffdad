"""Who may import whom: the table of docs/explanation/architecture.md as data, and how long is too long."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "publisher"

WORDS = ("publisher.model", "publisher.errors")
PLUGS = (*WORDS, "publisher.ports", "publisher.kit")
STEPS = (
    *("publisher.collect", "publisher.syndicate", "publisher.compose", "publisher.deliver", "publisher.feedback"),
    "publisher.bounces",
    *("publisher.editions", "publisher.memory", "publisher.audience", "publisher.preflight", "publisher.notices"),
    "publisher.editors",
    "publisher.keep",
)
FAMILIES = tuple(
    f"publisher.{family}" for family in ("fetchers", "formats", "folders", "mailers", "mailboxes", "engines", "store")
)
STORY = "publisher.pipeline"
WIRING = ("publisher.settings", "publisher.app")
DOORS = ("publisher.cli", "publisher.web", "publisher.schedule", "publisher.worker")

#: By room: the rooms it may import, besides its own files. A room is a module, or a folder with all in it.
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(WORDS, WORDS),
    "publisher.ports": WORDS,
    "publisher.kit": WORDS,
    "publisher.kit.message": (*WORDS, "publisher.kit.dkim"),
    "publisher.kit.websub": (*WORDS, "publisher.kit.http_session"),
    "publisher.kit.templating": (*WORDS, "publisher.kit.html"),
    **dict.fromkeys((*STEPS, *FAMILIES), PLUGS),
    STORY: (*PLUGS, *STEPS),
    "publisher.settings": (*PLUGS, *STEPS, STORY),
    "publisher.app": (*PLUGS, *STEPS, *FAMILIES, STORY, "publisher.settings"),
    **dict.fromkeys(DOORS, (*PLUGS, *STEPS, STORY, *WIRING)),
    # A site that runs also serves its pages; and the command line is the first door, which opens the others.
    "publisher.schedule": (*PLUGS, *STEPS, STORY, *WIRING, "publisher.web"),
    "publisher.cli": (*PLUGS, *STEPS, STORY, *WIRING, *DOORS),
    "publisher.__main__": ("publisher.cli",),
    "publisher": (),  # its version and its docstring, which anybody may read
}

#: By library: the only rooms that may know it.
ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "feedgen": ("publisher.formats",),
    "requests": ("publisher.kit.http_session", "publisher.mailers", "publisher.fetchers"),
    "sqlalchemy": ("publisher.store",),
    "alembic": ("publisher.store",),
    "apscheduler": ("publisher.engines", "publisher.schedule"),
}

#: Rooms that may import ours inside a function, for a quick start: nothing below them imports them, so no
#: such import can be there to break a cycle.
MAY_IMPORT_LATE = ("publisher.__main__", "publisher.cli", "publisher.app")

FUNCTION_LINES = 50
FILE_LINES = 400


class Import(NamedTuple):
    name: str
    line: int
    late: bool


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return tuple((name_of(path), ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in paths)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def within(name: str, room: str) -> bool:
    return name == room or (room != "publisher" and name.startswith(room + "."))


def imports(module: str, tree: ast.Module) -> Iterator[Import]:
    """Every import of a module: at its top, inside functions, for types only, and by name."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        for name in dict.fromkeys(names(module, node)):
            yield Import(name, node.lineno, id(node) in inside)  # type: ignore[attr-defined]  # imports have lines


def names(module: str, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=source, names=aliases, level=level):
            base = resolve(module, source or "", level)
            for alias in aliases:
                yield f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base
        case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[first, *_]):
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def resolve(module: str, source: str, level: int) -> str:
    if not level:
        return source
    package = module if ROOT.joinpath(*module.split(".")).is_dir() else module.rpartition(".")[0]
    parents = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*parents, source]) if source else ".".join(parents)


def room_of(module: str) -> str:
    """The most particular room of the table that holds a module; "" when it has none."""
    rooms = [room for room in MAY_IMPORT if within(module, room)]
    return max(rooms, key=len, default="")


def own_files(module: str) -> str:
    """What a module may always import: all of its room, but in the kit, whose tools are leaves, only its tool."""
    return ".".join(module.split(".")[:3]) if within(module, "publisher.kit") else room_of(module)


def wrong_walls(module: str, tree: ast.Module) -> Iterator[str]:
    for name, line, _ in imports(module, tree):
        allowed = (*MAY_IMPORT[room_of(module)], own_files(module))
        if not name.startswith("publisher."):
            continue
        if not any(within(name, other) for other in allowed):
            yield f"{module} may not import {name} (line {line})"


def wrong_libraries(module: str, tree: ast.Module) -> Iterator[str]:
    for name, line, _ in imports(module, tree):
        library = name.partition(".")[0]
        if library == "publisher":
            continue
        if module in WORDS and library not in sys.stdlib_module_names:
            yield f"{module} may not import {name} (line {line}): standard library only"
        if not any(within(module, room) for room in ONLY_IN.get(library, (module,))):
            yield f"{module} may not import {name} (line {line}): only {' and '.join(ONLY_IN[library])} may"


def late_imports(module: str, tree: ast.Module) -> Iterator[str]:
    if any(within(module, room) for room in MAY_IMPORT_LATE):
        return
    for name, line, late in imports(module, tree):
        if late and name.partition(".")[0] == "publisher":
            yield f"{module} imports {name} inside a function (line {line})"


def prints(module: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{module} prints (line {node.lineno}): only the command line speaks to a person"


def too_long(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield node.name, node.lineno, lines


def test_every_module_has_a_room() -> None:
    homeless = [module for module, _ in modules() if not room_of(module)]
    assert not homeless, "not in the table of docs/explanation/architecture.md: " + ", ".join(homeless)


def test_nobody_imports_through_a_wall() -> None:
    found = [line for module, tree in modules() if room_of(module) for line in wrong_walls(module, tree)]
    assert not found, "\n" + "\n".join(found)


def test_libraries_stay_in_their_rooms() -> None:
    found = [line for module, tree in modules() for line in wrong_libraries(module, tree)]
    assert not found, "\n" + "\n".join(found)


def test_no_import_hides_inside_a_function() -> None:
    found = [line for module, tree in modules() for line in late_imports(module, tree)]
    assert not found, "\n" + "\n".join(found)


def test_only_the_command_line_prints() -> None:
    found = [line for module, tree in modules() if not within(module, "publisher.cli") for line in prints(module, tree)]
    assert not found, "\n" + "\n".join(found)


def test_functions_and_files_stay_short() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if len(text.splitlines()) > FILE_LINES:
            found.append(f"{name} has {len(text.splitlines())} lines")
        found += [f"{name}:{line} {function} has {lines} lines" for function, line, lines in too_long(ast.parse(text))]
    assert not found, f"past {FUNCTION_LINES} lines a function, {FILE_LINES} a file:\n" + "\n".join(found)


# ---------------------------------------------------------------- the checks see what they should


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("publisher.model", "from publisher.ports import Store"),
        ("publisher.ports", "from publisher.kit import slots"),
        ("publisher.kit.slots", "from publisher.kit import html"),
        ("publisher.kit.html", "from publisher.kit.message import cut"),
        ("publisher.collect", "def f():\n    from publisher.syndicate import publish"),
        ("publisher.compose", "from publisher import store"),
        ("publisher.deliver.plan", "from ..audience import segments"),
        ("publisher.mailers.smtp", "from publisher.collect import accept"),
        ("publisher.mailers.smtp", "from publisher.formats._shared import dates"),
        ("publisher.pipeline", "import publisher.app"),
        ("publisher.settings", "from publisher.app import build"),
        ("publisher.cli.status", "import importlib\nimportlib.import_module('publisher.store.engine')"),
        ("publisher.web", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from publisher.cli import main"),
    ],
)
def test_a_wrong_import_is_seen(module: str, code: str) -> None:
    assert list(wrong_walls(module, ast.parse(code)))


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("publisher.model", "from publisher.errors import Problem"),
        ("publisher.kit.message", "from publisher.kit.dkim import sign"),
        ("publisher.kit.html.clean", "from publisher.kit.html import scrub"),
        ("publisher.kit.slots", "from publisher.model import Slot\nfrom publisher import __version__"),
        ("publisher.deliver.plan", "from publisher.deliver import rates\nfrom publisher.ports import Store"),
        ("publisher.mailers.smtp", "from publisher.mailers._shared import segments"),
        ("publisher.pipeline", "from publisher import collect, deliver"),
        ("publisher.cli", "from publisher import pipeline, web"),
    ],
)
def test_a_right_import_passes(module: str, code: str) -> None:
    assert not list(wrong_walls(module, ast.parse(code)))


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("publisher.model", "import orjson"),
        ("publisher.kit.html", "import requests"),
        ("publisher.compose", "from feedgen.feed import FeedGenerator"),
        ("publisher.pipeline", "def f():\n    import sqlalchemy.exc"),
        ("publisher.web", "from apscheduler.schedulers.background import BackgroundScheduler"),
    ],
)
def test_a_wrong_library_is_seen(module: str, code: str) -> None:
    assert list(wrong_libraries(module, ast.parse(code)))


def test_a_hidden_import_and_a_print_are_seen() -> None:
    tree = ast.parse("def f():\n    from publisher import model\n    print(model)")
    assert list(late_imports("publisher.collect", tree))
    assert list(prints("publisher.collect", tree))
    assert not list(late_imports("publisher.cli.collect", tree))


def test_a_long_function_is_seen() -> None:
    body = "    pass\n" * FUNCTION_LINES
    assert [name for name, *_ in too_long(ast.parse(f"def long():\n{body}"))] == ["long"]
    assert not list(too_long(ast.parse(f"def short():\n{body[9:]}")))
