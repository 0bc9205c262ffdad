"""One post, as WordPress's REST API tells it with `_embed`, to an article."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, tzinfo
from html import escape
from typing import Any

from publisher.fetchers._shared import absolute, fields, fingerprint, line, listed, moment, repeats, whole, words
from publisher.kit.html import plain
from publisher.model import Author, FetchedArticle, Image

_MORE = re.compile(
    r"<a\b[^<>]*>[^<>]{0,200}(?:<span\b[^<>]*>.{0,200}?</span>[^<>]{0,200})?</a>\s*(?:</p>\s*)?$", re.DOTALL
)


def article(
    post: Mapping[str, Any], zone: tzinfo, home: str, people: Sequence[Mapping[str, Any]] = ()
) -> FetchedArticle:
    """The article of a post, written by these people where there are any, else by the author WordPress tells.

    Raises ValueError for a post that is not to be read, saying why.
    """
    content = fields(post.get("content"))
    if not whole(post.get("id")):
        raise ValueError("it has no id")
    if content.get("protected"):
        raise ValueError("it is protected by a password, so it is left out")
    html, link = words(content.get("rendered")), absolute(home, post.get("link"))
    embedded = fields(post.get("_embedded"))
    read = FetchedArticle(
        native_id=str(whole(post.get("id"))),
        guid=line(_rendered(post, "guid")),
        url=link,
        title=plain(_rendered(post, "title")),
        standfirst=_standfirst(_rendered(post, "excerpt"), html),
        content_html=html,
        base_url=link or home,
        authors=_people(people, home) or _authors(embedded, home),
        categories=_terms(embedded, "category"),
        tags=_terms(embedded, "post_tag"),
        image=_image(embedded, home),
        published_at=_time(post, "date", zone),
        updated_at=_time(post, "modified", zone) or _time(post, "date", zone),
    )
    return replace(read, raw_hash=fingerprint(asdict(read)))


def modified_at(post: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """When a post was last changed, aware and UTC."""
    return _time(post, "modified", zone)


def name(post: Mapping[str, Any]) -> str:
    """What to call a post that could not be read."""
    title, link = line(_rendered(post, "title"))[:100], words(post.get("link"))
    return title or link or f"post {words(post.get('id'))}".strip()


def _rendered(post: Mapping[str, Any], field: str) -> str:
    return words(fields(post.get(field)).get("rendered"))


def _time(post: Mapping[str, Any], field: str, zone: tzinfo) -> datetime | None:
    """`*_gmt` is UTC and comes without Z. Where it is missing or zero, the local time tells, in the site's zone."""
    return moment(post.get(f"{field}_gmt")) or moment(post.get(field), zone)


def _standfirst(excerpt: str, content: str) -> str:
    """The excerpt, when an editor wrote it: WordPress makes one of a post's first words, ending in "[…]"."""
    text = plain(_MORE.sub("", excerpt.strip()))
    made = re.search(r"\[\s*(?:…|\.{3})\s*\]\s*$", plain(excerpt)) or re.search(r"\[\s*(?:…|\.{3})\s*\]$", text)
    return "" if made or not text or repeats(text, content) else text


def _authors(embedded: Mapping[str, Any], home: str) -> tuple[Author, ...]:
    people = [fields(one) for one in listed(embedded.get("author"))]
    return tuple(
        Author(
            name=told,
            url=absolute(home, one.get("url")) or absolute(home, one.get("link")),
            biography=line(words(one.get("description"))),
        )
        for one in people
        if (told := line(words(one.get("name"))))  # an author whom the API hides is told as an error
    )


def _people(people: Sequence[Mapping[str, Any]], home: str) -> tuple[Author, ...]:
    """As plugins for several authors tell them."""
    return tuple(
        Author(
            name=told,
            url=next(filter(None, (absolute(home, one.get(place)) for place in ("link", "author_link", "url"))), ""),
            biography=line(_biography(one.get("description"))),
        )
        for one in people
        if (told := line(words(one.get("display_name"))))
    )


def _biography(description: object) -> str:
    told = fields(description)
    return words(told.get("rendered")) or words(told.get("raw")) or words(description)


def _terms(embedded: Mapping[str, Any], taxonomy: str) -> tuple[str, ...]:
    terms = [fields(term) for group in listed(embedded.get("wp:term")) for term in listed(group)]
    names = [line(words(term.get("name"))) for term in terms if term.get("taxonomy") == taxonomy]
    return tuple(dict.fromkeys(filter(None, names)))


def _image(embedded: Mapping[str, Any], home: str) -> Image | None:
    media = fields(next(iter(listed(embedded.get("wp:featuredmedia"))), None))
    url = absolute(home, media.get("source_url"))
    if not url:
        return None
    details = fields(media.get("media_details"))
    return Image(
        url=url,
        type=words(media.get("mime_type")),
        bytes=whole(details.get("filesize")),
        width=whole(details.get("width")),
        height=whole(details.get("height")),
        alt=line(escape(words(media.get("alt_text")))),
        credit=line(_rendered(media, "caption")),
    )
