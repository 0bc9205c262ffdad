"""Preflight: what would arrive broken does not leave.

    final bytes -> Opened     headers, bodies, what of them is seen        (reading)
                -> checks     one file each; what they see has a rule      (size, features, images, contrast, links,
                                                                            footer, leftovers, stories, subject, form,
                                                                            headers, domain)
                -> findings   with the level that the site gives the rule  (rules)

All of this is pure: what links and DNS answered is handed in (`Situation`), and what nobody knows is no finding. Only
`asking` asks them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from publisher.model import Finding, Level, Situation
from publisher.preflight import (
    contrast,
    domain,
    features,
    footer,
    form,
    headers,
    images,
    leftovers,
    links,
    size,
    stories,
    subject,
)
from publisher.preflight.asking import domain as ask_domain
from publisher.preflight.asking import links as ask_links
from publisher.preflight.domain import selectors
from publisher.preflight.headers import sender_domain
from publisher.preflight.picking import largest, strangest
from publisher.preflight.reading import Opened
from publisher.preflight.rules import RULES, Rule, Seen
from publisher.preflight.support import NAME as TABLE
from publisher.preflight.support import refreshed, table

__all__ = [
    "RULES",
    "TABLE",
    "Opened",
    "Rule",
    "ask_domain",
    "ask_links",
    "blocking",
    "check",
    "gravest_first",
    "in_words",
    "largest",
    "refreshed",
    "selectors",
    "sender_domain",
    "strangest",
    "table",
]


def check(
    message: bytes,
    situation: Situation,
    *,
    levels: Mapping[str, Level] | None = None,
    overridden: Collection[str] = (),
    mail_clients: bytes = b"",
) -> tuple[Finding, ...]:
    """What is wrong with the final bytes of a message (RFC 5322), the gravest first; each place once.

    `levels` are the site's own for some rules; a rule that an editor has `overridden` only warns. `mail_clients` is
    what mail programs can show, as `refreshed` gives it, b"" for the packaged table.
    """
    given = levels or {}
    found: dict[tuple[str, str], Finding] = {}
    for seen in _seen(Opened(message), situation, mail_clients):
        rule = RULES[seen.rule]
        level = given.get(seen.rule, rule.level)
        if level is Level.BLOCK and seen.rule in overridden:
            level = Level.WARN
        if level is not Level.OFF:
            found.setdefault((seen.rule, seen.where), _finding(seen, rule, level))
    return gravest_first(found.values())


def _finding(seen: Seen, rule: Rule, level: Level) -> Finding:
    return Finding(
        rule=seen.rule,
        level=level,
        where=seen.where,
        why=f"{seen.why}: {rule.why}",
        remedy=seen.remedy or rule.remedy,
    )


def _seen(opened: Opened, situation: Situation, mail_clients: bytes) -> Iterator[Seen]:
    yield from headers.check(opened, situation)
    yield from domain.check(opened, situation)
    yield from subject.check(opened, situation)
    yield from stories.check(situation)
    yield from form.check(opened)
    yield from footer.check(opened, situation)
    yield from leftovers.check(opened)
    yield from links.check(opened, situation)
    if opened.html:
        yield from size.check(opened)
        yield from images.check(opened, situation)
        yield from contrast.check(opened)
        yield from features.check(opened, table(mail_clients))


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.level is not Level.BLOCK))


def blocking(findings: Collection[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.level is Level.BLOCK)


def in_words(findings: Collection[Finding]) -> str:
    """Why an edition stays here, in one line; "" when nothing blocks it."""
    kept = blocking(findings)
    if not kept:
        return ""
    more = f" (and {len(kept) - 1} more)" if len(kept) > 1 else ""
    return f"preflight: {kept[0]}{more}"
