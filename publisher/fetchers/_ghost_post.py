"""One post, as Ghost's Content API tells it with its authors and tags, to an article."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from publisher.fetchers._shared import absolute, fields, fingerprint, line, listed, media_type, moment, unescaped, words
from publisher.model import Author, FetchedArticle, Image

_READING = 1  # part of each raw hash: raised when posts come to be read differently


def article(post: Mapping[str, Any], home: str, language: str = "") -> FetchedArticle:
    """Raises ValueError for a post that is not to be read, saying why."""
    native = words(post.get("id")).strip()
    url = absolute(home, post.get("url"))
    title, html = unescaped(words(post.get("title"))), words(post.get("html"))
    if not native:
        raise ValueError("it has no id")
    if not (title or html):
        raise ValueError("it has neither title nor text")
    primary = _tag(fields(post.get("primary_tag")))
    tags = [name for tag in listed(post.get("tags")) if (name := _tag(fields(tag)))]
    return FetchedArticle(
        native_id=native,
        guid=native,
        url=url,
        title=title,
        standfirst=unescaped(words(post.get("custom_excerpt"))),
        content_html=html,
        base_url=url or home,
        authors=_authors(post, home),
        categories=(primary,) if primary else (),
        tags=tuple(dict.fromkeys(tags)),
        image=_image(post, home),
        language=words(post.get("locale")) or language,
        published_at=moment(post.get("published_at")),
        updated_at=moment(post.get("updated_at")) or moment(post.get("published_at")),
        raw_hash=fingerprint([_READING, home, language, post]),
    )


def name(post: Mapping[str, Any]) -> str:
    """What to call a post that could not be read."""
    return (
        unescaped(words(post.get("title")))[:100] or words(post.get("url")) or f"post {words(post.get('id'))}".strip()
    )


def _tag(tag: Mapping[str, Any]) -> str:
    """Tags that begin with # are an editor's own and shown to nobody."""
    told = line(words(tag.get("name")))
    return "" if tag.get("visibility") == "internal" or told.startswith("#") else told


def _authors(post: Mapping[str, Any], home: str) -> tuple[Author, ...]:
    people = [fields(one) for one in listed(post.get("authors"))] or [fields(post.get("primary_author"))]
    return tuple(
        Author(
            name=told,
            url=absolute(home, one.get("website")) or absolute(home, one.get("url")),
            biography=unescaped(words(one.get("bio"))),
        )
        for one in people
        if (told := unescaped(words(one.get("name"))))
    )


def _image(post: Mapping[str, Any], home: str) -> Image | None:
    url = absolute(home, post.get("feature_image"))
    if not url:
        return None
    alt, credit = unescaped(words(post.get("feature_image_alt"))), line(words(post.get("feature_image_caption")))
    return Image(url=url, type=media_type("", url), alt=alt, credit=credit)
