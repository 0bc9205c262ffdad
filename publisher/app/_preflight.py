"""Wiring of preflight: the site's own levels, and its own table of what mail programs can show."""

from __future__ import annotations

from pathlib import Path

from publisher.errors import Problem, SettingsError
from publisher.model import Level, Rulebook
from publisher.settings import Settings


def rulebook(root: Path, settings: Settings) -> Rulebook:
    """Raises SettingsError for rules that do not exist."""
    from publisher import preflight  # late: it reads HTML

    given = settings.preflight
    known = ", ".join(preflight.RULES)
    problems = [
        Problem(key=f"preflight.levels.{rule}", value=level, remedy=f"there is no such rule; there is {known}")
        for rule, level in given.levels.items()
        if rule not in preflight.RULES
    ]
    if problems:
        raise SettingsError(problems)
    table = root / "var" / preflight.TABLE
    return Rulebook(
        levels={rule: Level(level) for rule, level in given.levels.items()},
        network=given.network,
        mail_clients=table.read_bytes() if table.exists() else b"",
    )
