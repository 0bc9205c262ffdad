"""The reference pages tell what exists, all of it and nothing else, and no link leads nowhere.

How the pages are read: a setting is a row of a table whose first column is headed "Setting", under a heading
that names its section as `settings.toml` writes it ("## `[site]`", "## `[[feeds]]`"; a heading may name
several). A command is a heading that starts with it in backticks ("## `publisher subscribers import FILE`").
An exit code is a row of a table, on any reference page, whose first column is headed "Code".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import unquote

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+)\s+(.*?)\s*$")
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)")


# ---------------------------------------------------------------- what exists


def settings_of(model: type[BaseModel], section: str = "") -> Iterator[str]:
    """Every key of the file, such as "site.name", "feeds.select.tags"."""
    for name, field in model.model_fields.items():
        key = f"{section}.{field.alias or name}".lstrip(".")
        inner = list(models_in(field.annotation))
        if section:
            yield key
        for nested in inner:
            yield from settings_of(nested, key)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, UnionType, tuple, list):
        for part in get_args(annotation):
            yield from models_in(part)


def commands_of(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words: ("subscribers import", the command)."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    if getattr(command, "invoke_without_command", False) and name:
        yield name, command
    for word, inner in command.commands.items():
        if not inner.hidden:
            yield from commands_of(inner, f"{name} {word}".strip())


def existing_settings() -> set[str]:
    from publisher.settings import Settings

    return set(settings_of(Settings))


def existing_commands() -> dict[str, Any]:
    import typer

    import publisher.cli

    app = next(value for value in vars(publisher.cli).values() if isinstance(value, typer.Typer))
    return dict(commands_of(typer.main.get_command(app)))


# ---------------------------------------------------------------- what the pages say


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, text up to the next heading), examples in fences left out."""
    heading = ""
    lines: list[str] = []
    for line in FENCE.sub("", text).splitlines():
        if match := HEADING.match(line):
            yield heading, "\n".join(lines)
            heading, lines = match[2], []
        else:
            lines.append(line)
    yield heading, "\n".join(lines)


def rows(text: str, column: str) -> Iterator[list[str]]:
    """The rows of tables whose first column has that heading."""
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0].lower() == column:
            inside = True
        elif inside and not set(cells[0]) <= set("-: "):
            yield cells


def documented_settings(text: str) -> set[str]:
    found: set[str] = set()
    named: list[str] = []
    for heading, body in sections(text):
        named = re.findall(r"\[{1,2}([a-z_]+(?:\.[a-z_]+)*)\]{1,2}", heading) or named
        for cells in rows(body, "setting"):
            assert all(cells), f"{SETTINGS.name}: a cell is empty in | {' | '.join(cells)} |"
            found |= {f"{section}.{key}" for section in named for key in re.findall(r"`([a-z_.]+)`", cells[0])}
    return found


def documented_commands(text: str) -> dict[str, str]:
    """By command: all that its section says, heading included."""
    found = {}
    for heading, body in sections(text):
        if match := re.match(r"`(?:publisher )?([a-z]+(?:[ -][a-z]+)*)", heading):
            found[match[1]] = f"{heading}\n{body}"
    return found


def documented_codes(text: str) -> set[int]:
    return {int(cells[0].strip("`")) for _, body in sections(text) for cells in rows(body, "code")}


# ---------------------------------------------------------------- they agree


def test_every_setting_is_described_and_every_described_setting_exists() -> None:
    exist, described = existing_settings(), documented_settings(SETTINGS.read_text(encoding="utf-8"))
    assert not exist - described, f"not described in {SETTINGS.relative_to(ROOT)}"
    assert not described - exist, f"described in {SETTINGS.relative_to(ROOT)}, but there is no such setting"


def test_every_command_is_described_and_every_described_command_exists() -> None:
    exist = set(existing_commands())
    described = set(documented_commands(COMMANDS.read_text(encoding="utf-8")))
    groups = {name.rpartition(" ")[0] for name in exist}
    assert not exist - described, f"not described in {COMMANDS.relative_to(ROOT)}"
    assert not described - exist - groups, f"described in {COMMANDS.relative_to(ROOT)}, but there is no such command"


def test_every_option_is_described_with_its_command() -> None:
    described = documented_commands(COMMANDS.read_text(encoding="utf-8"))
    missing = [
        f"publisher {name} {option}"
        for name, command in existing_commands().items()
        for option in options(command)
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", described.get(name, ""))
    ]
    assert not missing, f"not described in {COMMANDS.relative_to(ROOT)}"


def options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False):
            yield from (option for option in parameter.opts if option.startswith("--") and option != "--help")


def test_exit_codes_are_those_of_the_program() -> None:
    from publisher.cli.exits import Exit

    reference = "\n".join(page.read_text(encoding="utf-8") for page in sorted(COMMANDS.parent.glob("*.md")))
    assert documented_codes(reference) == {int(code) for code in Exit}


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in links(page.read_text(encoding="utf-8"))
        if not leads_somewhere(page, target)
    ]
    assert PAGES
    assert not broken, "these lead nowhere"


def links(text: str) -> Iterator[str]:
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
        if not re.match(r"[a-z]+:", target):
            yield target


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / unquote(name) if name else page
    if not file.exists():
        return False
    return not anchor or anchor in {slug(heading) for heading, _ in sections(file.read_text(encoding="utf-8"))}


def slug(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# ---------------------------------------------------------------- the pages are read as described above


def test_how_a_settings_page_is_read() -> None:
    page = "## `[site]`\n\n| Setting | Meaning |\n|---|---|\n| `name` | shown |\n\n### Kinds\n| Kind | |\n| `x` | |\n"
    page += "## `[feeds.select]`, `[newsletters.select]`\n| Setting | Meaning |\n| :- | - |\n| `tags` | a \\| b |\n"
    page += "```\n| Setting |\n| `fenced` |\n```\n"
    assert documented_settings(page) == {"site.name", "feeds.select.tags", "newsletters.select.tags"}


def test_how_a_commands_page_is_read() -> None:
    page = "# Commands\n## `publisher subscribers import FILE.csv`\nReads `--dry-run`.\n## Exit codes\n"
    page += "| Code | Meaning |\n|---|---|\n| 0 | done |\n| `2` | misused |\n"
    assert documented_commands(page) == {
        "subscribers import": "`publisher subscribers import FILE.csv`\nReads `--dry-run`."
    }
    assert documented_codes(page) == {0, 2}


def test_how_links_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Who may?\n[a](#who-may) [b](other.md) [c](https://x.example/) `[d](e)` [f](#nowhere)\n")
    targets = list(links(page.read_text()))
    assert targets == ["#who-may", "other.md", "#nowhere"]
    assert [leads_somewhere(page, target) for target in targets] == [True, False, False]
