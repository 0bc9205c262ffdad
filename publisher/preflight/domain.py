"""Whether servers can tell that the message comes from whom it says, by what DNS answered."""

from __future__ import annotations

import re
from collections.abc import Iterator

from publisher.model import Situation
from publisher.preflight.headers import sender_domain
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    domain, facts = sender_domain(opened), situation.domain
    if facts.spf is not None:
        records = [record for record in facts.spf if re.match(r"v=spf1(\s|$)", record, re.IGNORECASE)]
        if len(records) != 1:
            yield Seen("spf", domain, f"It has {len(records) or 'no'} SPF record{'s' * (len(records) > 1)}")
        elif re.search(r"\s\+?all\s*$", records[0]):
            yield Seen("spf", domain, "Its SPF record lets everybody send for it (+all)", "End it with ~all or -all")
    if facts.dmarc is not None:
        records = [record for record in facts.dmarc if re.match(r"v=DMARC1\s*;", record)]
        if len(records) != 1 or not re.search(r";\s*p\s*=\s*(none|quarantine|reject)\b", records[0], re.IGNORECASE):
            yield Seen("dmarc", f"_dmarc.{domain}", "It has no DMARC record that can be read")
    for name in selectors(opened):
        yield from _key(name, situation)


def selectors(opened: Opened) -> tuple[str, ...]:
    """Where the keys of the message's signatures are: "selector._domainkey.domain"."""
    found = (_tags(value) for value in opened.headers("DKIM-Signature"))
    return tuple(f"{tags.get('s', '')}._domainkey.{tags.get('d', '')}".lower() for tags in found)


def _key(name: str, situation: Situation) -> Iterator[Seen]:
    records = situation.domain.dkim.get(name)
    if records is None:
        return
    keys = [_tags(record) for record in records if "p=" in record]
    if not keys:
        yield Seen("dkim", name, "There is no key")
    elif not keys[0].get("p"):
        yield Seen("dkim", name, "The key was revoked (p= is empty)")


def _tags(text: str) -> dict[str, str]:
    pairs = (piece.partition("=") for piece in text.split(";"))
    return {name.strip(): re.sub(r"\s+", "", value) for name, equals, value in pairs if equals}
