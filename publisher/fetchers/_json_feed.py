"""JSON Feed 1.0 and 1.1 documents: from text to articles (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from publisher.errors import SourceInvalid
from publisher.fetchers._shared import (
    MAXIMUM_ITEMS,
    Before,
    Reading,
    absolute,
    as_html,
    fields,
    fingerprint,
    line,
    listed,
    media_type,
    moment,
    not_a,
    read_json,
    standfirst,
    unescaped,
    whole,
    words,
)
from publisher.kit.http_session import shown
from publisher.model import Author, Enclosure, FetchedArticle, Image, Refusal

_READING = 1  # part of each raw hash: raised when items come to be read differently


def read_json_feed(text: str, url: str, before: Before = Before()) -> Reading:
    """The articles of a JSON Feed that came from `url`, but for those whose raw hash is known.

    Raises SourceInvalid, saying what came instead.
    """
    try:
        feed = fields(read_json(text.encode()))
    except ValueError as error:
        raise SourceInvalid(
            f"{shown(url)} is not well-formed JSON: its maker has to mend it", url=shown(url)
        ) from error
    if not isinstance(feed.get("items"), list) or "jsonfeed" not in words(feed.get("version")):
        raise not_a("a feed", shown(url), text)
    items = [fields(item) for item in listed(feed["items"])]
    if len(items) > MAXIMUM_ITEMS:
        raise SourceInvalid(f"{shown(url)} holds more than {MAXIMUM_ITEMS:,} items: point the url at a smaller feed")
    hashes = [_hash(item, url, feed) for item in items]
    same = before.known({hash for hash in hashes if hash})
    names = [(not before.by_address and words(item.get("id"))) or words(item.get("url")) for item in items]
    seen = Counter(names)
    wanted = [
        (number, item, hash)
        for number, (item, hash, name) in enumerate(zip(items, hashes, names, strict=True), start=1)
        if hash not in same or seen[name] > 1
    ]
    articles, refused = _articles(wanted, url, feed)
    return Reading(
        title=line(words(feed.get("title"))),
        language=words(feed.get("language")),
        home=absolute(url, feed.get("home_page_url")),
        articles=articles,
        refused=refused,
        same=len(items) - len(wanted),
    )


def _hash(item: Mapping[str, object], url: str, feed: Mapping[str, object]) -> str:
    """Of an item and what it takes over from its feed; "" for one that is nested too deeply to be any."""
    around = [feed.get(name) for name in ("home_page_url", "language", "author", "authors")]
    try:
        return fingerprint([_READING, url, around, item])
    except ValueError:
        return ""


def _articles(
    items: Sequence[tuple[int, Mapping[str, object], str]], url: str, feed: Mapping[str, object]
) -> tuple[tuple[FetchedArticle, ...], tuple[Refusal, ...]]:
    articles: list[FetchedArticle] = []
    refused: list[Refusal] = []
    for number, item, hash in items:
        try:
            articles.append(read_item(item, url, feed, hash))
        except ValueError as error:
            name = words(item.get("title")) or words(item.get("id")) or f"item {number}"
            refused.append(Refusal(item=unescaped(name)[:100], reason=str(error)))
    return tuple(articles), tuple(refused)


def read_item(item: Mapping[str, object], url: str, feed: Mapping[str, object], raw_hash: str) -> FetchedArticle:
    """One item of a feed that came from `url`. Raises ValueError for what is no article."""
    if not raw_hash:
        raise ValueError("it is nested deeper than any article")
    home = absolute(url, feed.get("home_page_url"))
    here, url = url, home or url
    native = words(item.get("id")).strip()
    link = absolute(url, item.get("url")) or absolute(url, item.get("external_url"))
    title = unescaped(words(item.get("title")))
    text, summary = words(item.get("content_text")), words(item.get("summary"))
    content = words(item.get("content_html")) or as_html(text, "text/plain") or as_html(summary, "text/plain")
    if not (native or link or title or content):
        raise ValueError("it has neither title, address nor text")
    if native in (home, here):
        native = ""  # it names none of them
    published = moment(item.get("date_published"))
    updated = moment(item.get("date_modified"))
    return FetchedArticle(
        native_id=native,
        guid=native,
        url=link,
        title=title,
        standfirst=standfirst(as_html(summary, "text/plain"), content),
        content_html=content,
        base_url=url,
        authors=_authors(item, url) or _authors(feed, url),
        categories=tuple(dict.fromkeys(name for tag in listed(item.get("tags")) if (name := line(words(tag))))),
        image=_image(item, url),
        enclosures=_enclosures(item, url),
        language=words(item.get("language")) or words(feed.get("language")),
        published_at=published or updated,
        updated_at=updated or published,
        raw_hash=raw_hash,
    )


def _authors(of: Mapping[str, object], url: str) -> tuple[Author, ...]:
    """Version 1.1 has a list, version 1.0 one `author`."""
    found = [fields(one) for one in (*listed(of.get("authors")), of.get("author"))]
    people = [Author(name=line(words(one.get("name"))), url=absolute(url, one.get("url"))) for one in found]
    return tuple({author.name: author for author in people if author.name}.values())


def _image(item: Mapping[str, object], url: str) -> Image | None:
    address = absolute(url, item.get("image")) or absolute(url, item.get("banner_image"))
    pictures = [one for one in map(fields, listed(item.get("attachments"))) if _kind(one, url).startswith("image/")]
    if address:
        return Image(url=address, type=media_type("", address))
    attached = next((one for one in pictures if absolute(url, one.get("url"))), None)
    if attached is None:
        return None
    size = whole(attached.get("size_in_bytes"))
    return Image(url=absolute(url, attached["url"]), type=_kind(attached, url), bytes=size)


def _enclosures(item: Mapping[str, object], url: str) -> tuple[Enclosure, ...]:
    return tuple(
        Enclosure(
            url=address,
            type=_kind(one, url),
            bytes=whole(one.get("size_in_bytes")),
            seconds=whole(one.get("duration_in_seconds")),
        )
        for one in map(fields, listed(item.get("attachments")))
        if (address := absolute(url, one.get("url"))) and not _kind(one, url).startswith("image/")
    )


def _kind(attachment: Mapping[str, object], url: str) -> str:
    return media_type(attachment.get("mime_type"), absolute(url, attachment.get("url")))
