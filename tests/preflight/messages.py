"""Messages as they leave, from compact descriptions (tests/data/preflight): real stories in the real templates, made
into bytes as for a mailer, and then changed in one place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from publisher import compose
from publisher.kit import message, slots
from publisher.kit.templating import TemplateFolders
from publisher.model import (
    Article,
    ArticleState,
    DomainFacts,
    Image,
    Item,
    Label,
    Letter,
    LinkFact,
    Rendered,
    Situation,
    StoryFact,
    Timetable,
)
from tests import people

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "preflight"
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SIGNATURE = "v=1; a=ed25519-sha256; d=harbour-gazette.example; s=mail; h=from:subject; bh=AAAA; b=AAAA"

#: A lead with a picture and some shorter stories, as on any day.
STORIES: list[dict[str, Any]] = [
    {
        "title": "The ferry returns after forty years",
        "standfirst": "The island service starts again on Friday.",
        "text": "The boat is called Brigid and carries sixty people, two cars and the post.",
        "category": "News",
        "picture": "Brigid at the new slip, with her ramp down",
    },
    {
        "title": "Council votes for a second slip",
        "standfirst": "Nine to four, after three hours.",
        "text": "Work begins in spring. The harbour master expects noise, and asks for patience until August.",
        "category": "News",
    },
    {
        "title": "Lantern night moves indoors",
        "standfirst": "The storm is to blame, and the fire brigade.",
        "text": "Four hundred paper fish will hang in the old rope works instead.",
        "category": "Culture",
    },
]


@dataclass(frozen=True)
class Described:
    """One description, as the file has it."""

    name: str
    values: Mapping[str, Any]

    @property
    def finds(self) -> frozenset[str]:
        return frozenset(self.values.get("finds", ()))


def described(file: str) -> Iterator[Described]:
    values = tomllib.loads((DATA / file).read_text(encoding="utf-8"))
    return (Described(name, one) for name, one in values.items())


def made(one: Described) -> tuple[bytes, Situation]:
    """The bytes of a message, and what is known besides."""
    values = one.values
    rendered = rendering(values)
    for part in ("html", "text", "subject"):
        for old, new in values.get(part, ()):
            before = getattr(rendered, part)
            assert old in before, f"{one.name}: {old!r} is not in the {part}"
            rendered = replace(rendered, **{part: before.replace(old, new * values.get("times", 1), 1)})
    if values.get("without_text"):
        rendered = replace(rendered, text="")
    data = letter(rendered, values.get("sender", "The Harbour Gazette <daily@harbour-gazette.example>"))
    return changed(data, values.get("headers", {})), situation(values)


def rendering(values: Mapping[str, Any]) -> Rendered:
    if "body" in values:
        html = (DATA / values["body"]).read_text(encoding="utf-8")
        return Rendered(subject=values["title"], html=html, text=TEXT.format(message.UNSUBSCRIBE_URL))
    articles = [article(number, story) for number, story in enumerate(_stories(values), start=1)]
    look = {"language": values.get("language", "en"), "template": values.get("template", "digest/daily")}
    newsletter = people.newsletter(**look)
    slot = slots.current(Timetable(timezone="Europe/Dublin"), NOW)
    items = tuple(
        Item(
            article=one.id,
            revision=1,
            position=number,
            section=next(iter(one.revision.categories), ""),
            label=Label(values.get("labels", ["new"] * len(articles))[number]),
        )
        for number, one in enumerate(articles)
    )
    site = people.site(**values.get("site", {}))
    templates = TemplateFolders([ROOT / "templates"])
    known = {one.id: one for one in articles}
    return compose.render(newsletter, slot, items, known, site=site, templates=templates, now=NOW)


TEXT = """The week in the harbour

Read it at https://harbour-gazette.example/week

Unsubscribe: {}
The Harbour Gazette, 1 Quay Street, Kilmarnagh
"""


def _stories(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    stories = values.get("stories", STORIES)
    return [dict(story) for story in stories] * values.get("repeat", 1)


def article(number: int, story: Mapping[str, Any]) -> Article:
    text = str(story.get("text", ""))
    html = "".join(f"<p>{line}</p>" for line in text.splitlines() if line)
    image = None
    if alt := story.get("picture"):
        image = Image(url=f"https://harbour-gazette.example/p/{number}.jpg", width=1280, height=720, alt=alt)
    made = people.article(
        story["title"],
        content_html=html,
        standfirst=story.get("standfirst", ""),
        categories=tuple(filter(None, [story.get("category", "")])),
        image=image,
        language=story.get("language", "en"),
        published_at=NOW - timedelta(hours=number),
        native_id=f"story-{number}",
        canonical_url=story.get("url", f"https://harbour-gazette.example/stories/{number}"),
    )
    return replace(made, id=number)


def letter(rendered: Rendered, sender: str) -> bytes:
    """The bytes that SMTP and a Maildir hand over."""
    head = {"sender": sender, "reply_to": "", "list_id": "The Daily <daily.harbour-gazette.example>"}
    mould = message.mould(rendered, date=NOW, **head)
    return message.fill(
        mould,
        Letter(
            position=0,
            email="ben.okafor@mail.example",
            name="Ben Okafor",
            variant=0,
            message_id="<0123456789abcdef@harbour-gazette.example>",
            unsubscribe_url="https://news.harbour-gazette.example/u/AAAABBBBCCCC",
        ),
    )


def changed(data: bytes, headers: Mapping[str, str | list[str]]) -> bytes:
    """With other headers; "" takes one out, and several make it stand several times."""
    head, _, body = data.partition(b"\r\n\r\n")
    fields: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in b" \t":
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    for name, value in headers.items():
        kept = [field for field in fields if not field.lower().startswith(f"{name.lower()}:".encode())]
        values = [value] if isinstance(value, str) else value
        fields = kept + [f"{name}: {one}".encode() for one in values if one]
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def situation(values: Mapping[str, Any]) -> Situation:
    facts = dict(values.get("facts", {}))
    stories = tuple(
        StoryFact(
            title=one["title"],
            state=ArticleState(one.get("state", "live")),
            published_at=NOW + timedelta(hours=one.get("hours", -3)),
            label=Label(one.get("label", "new")),
            lost=one.get("lost", ""),
        )
        for one in facts.get("stories", values.get("stories", ()))
    )
    links = {
        one["url"]: LinkFact(status=one.get("status", 0), gone=one.get("gone", False), bytes=one.get("bytes", 0))
        for one in facts.get("links", ())
    }
    domain = DomainFacts(
        spf=tuple(facts["spf"]) if "spf" in facts else None,
        dmarc=tuple(facts["dmarc"]) if "dmarc" in facts else None,
        dkim={"mail._domainkey.harbour-gazette.example": tuple(facts["dkim"])} if "dkim" in facts else {},
    )
    return Situation(
        now=NOW,
        external=facts.get("external", True),
        links_url=facts.get("links_url", "https://news.harbour-gazette.example"),
        postal_address=facts.get("postal_address", "The Harbour Gazette, 1 Quay Street, Kilmarnagh"),
        last_subject=facts.get("last_subject", "Herring sold at dawn, and 4 more stories"),
        stories=stories,
        links=links,
        domain=domain,
    )


__all__ = ["KEY", "SIGNATURE", "STORIES", "Described", "described", "made"]
