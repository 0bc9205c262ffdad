"""An edition as subject, HTML and plain text, and the identity of what it shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from publisher.compose.links import marker
from publisher.compose.stories import (
    SHORTENINGS,
    EditionView,
    NewsletterView,
    StoryView,
    Telling,
    sections,
    site_view,
)
from publisher.errors import TemplateError
from publisher.kit import html, message, templating
from publisher.model import Article, Item, Newsletter, Rendered, Site, Slot, Variant
from publisher.ports import Templates

#: Gmail shows no more of a message's HTML than 102 KB; in bytes, with room for the reader's own links.
LARGEST_HTML: Final = 100_000
#: A subject past this many characters is cut off by every mail program.
LONGEST_SUBJECT: Final = 90


class Renderer:
    """Renders the variants of one edition: what they have in common is worked out once."""

    def __init__(
        self,
        newsletter: Newsletter,
        slot: Slot,
        articles: Mapping[int, Article],
        *,
        site: Site,
        templates: Templates,
        now: datetime,
        online_url: str = "",
    ) -> None:
        """`articles` hold the frozen revision of each item, and `online_url` is the edition as a web page, "" where
        there is none."""
        link = marker(newsletter, slot, site)
        self._newsletter = newsletter
        self._templates = templates
        self._telling = Telling(articles, link)
        self._values = _values(newsletter, slot, replace(site, url=link(site.url)), now) | {"online_url": online_url}
        self._plain = {"site": site_view(site)}  # in plain text the address of the site is read, not clicked

    def render(self, items: Sequence[Item], language: str = "") -> Rendered:
        """These items in one language. Where the HTML would be too long for Gmail, they are told more shortly.

        Raises TemplateError, also when a template leaves out the unsubscribe link."""
        newsletter = self._newsletter
        for shortening in SHORTENINGS:
            values = self._values | _told(self._telling.stories(items, shortening))
            rendered = _fill(newsletter.template, values, self._plain, self._templates, language or newsletter.language)
            if len(rendered.html.encode()) <= LARGEST_HTML:
                break
        return rendered


def render(
    newsletter: Newsletter,
    slot: Slot,
    items: Sequence[Item],
    articles: Mapping[int, Article],
    *,
    site: Site,
    templates: Templates,
    now: datetime,
    language: str = "",
    online_url: str = "",
) -> Rendered:
    """An edition that is rendered once: see `Renderer`. Raises TemplateError."""
    renderer = Renderer(newsletter, slot, articles, site=site, templates=templates, now=now, online_url=online_url)
    return renderer.render(items, language)


def variant(newsletter: Newsletter, items: Sequence[Item], rendered: Rendered, language: str = "") -> Variant:
    """A rendering with its identity: editions that show the same to two readers share one variant."""
    language = language or newsletter.language
    return Variant(
        key=key_of(newsletter, items, language),
        language=language,
        template=newsletter.template,
        rendered=rendered,
        content_hash=_hash([rendered.subject, rendered.html, rendered.text]),
        items=tuple(items),
    )


def key_of(newsletter: Newsletter, items: Sequence[Item], language: str) -> str:
    """What a variant is known by: what it shows, in which language, by which template."""
    shown = [[i.article, i.revision, i.label.value, i.section, sorted(i.overrides.items())] for i in items]
    return _hash([language, newsletter.template, shown])


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def _fill(
    template: str, values: Mapping[str, Any], plain: Mapping[str, Any], templates: Templates, language: str
) -> Rendered:
    """The three parts of a mail; `plain` are the values that its text alone has otherwise."""

    def part(name: str, **more: Any) -> str:
        return templates.render(f"{template}/{name}", {**values, **more}, language=language)

    subject = html.cut(" ".join(part("subject.txt").split()), LONGEST_SUBJECT)
    document = templating.inline_css(part("body.html", subject=subject))
    text = part("body.txt", subject=subject, **plain).strip() + "\n"
    for name, made in (("body.html", document), ("body.txt", text)):
        if message.UNSUBSCRIBE_URL not in made:
            raise TemplateError(
                "it has no unsubscribe link; put {{ unsubscribe_url }} where readers find it",
                template=f"{template}/{name}",
            )
    return Rendered(subject=subject, html=document, text=text)


def _values(newsletter: Newsletter, slot: Slot, site: Site, now: datetime) -> dict[str, Any]:
    return {
        "site": site_view(site),
        "newsletter": NewsletterView(slug=newsletter.slug, name=newsletter.name),
        "edition": EditionView(slot=slot.name, date=slot.due_at.astimezone(ZoneInfo(newsletter.timezone)).date()),
        "timezone": newsletter.timezone,
        "now": now,
        "preferences_url": newsletter.preferences_url,
        "unsubscribe_url": message.UNSUBSCRIBE_URL,
    }


def _told(shown: Sequence[StoryView]) -> dict[str, Any]:
    return {
        "lead": shown[0] if shown else None,
        "sections": sections(shown[1:]),
        "items": tuple(shown),
        "news": tuple(story for story in shown if not story.corrects),
        "corrections": tuple(story for story in shown if story.corrects),
    }
