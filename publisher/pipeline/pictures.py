"""The story, step 3: pictures of an edition, made small and served beside the feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from publisher import errors
from publisher.kit import images
from publisher.kit.http_session import shown
from publisher.model import Article, Image, Item
from publisher.ports import Parts, Pictures
from publisher.syndicate import base_url

#: Seconds after which the pictures that are left are left out.
PATIENCE = 60.0


def hosted(parts: Parts, items: Sequence[Item], articles: Mapping[int, Article]) -> Mapping[int, Article]:
    """The articles with pictures that can be mailed: where the site hosts them, each picture is a file of at most
    1,152 pixels beside the feeds, named after its content. One that cannot be read or kept is left out, for it
    would be a broken picture, or too large a one, in the mail; it says why."""
    reader = parts.pictures
    if reader is None:
        return articles
    open_ones = {source.slug for source in parts.sources if source.allow_private}
    ends, made = parts.clock.monotonic() + PATIENCE, dict(articles)
    for item in items:
        article = articles[item.article]
        if (image := article.revision.image) is None:
            continue
        if parts.clock.monotonic() < ends:
            kept = _kept(parts, reader, image, allow_private=article.source in open_ones)
        else:
            kept = _lost(image, f"there was no time left for it, after {PATIENCE:.0f} seconds with those before")
        made[article.id] = replace(article, revision=replace(article.revision, image=kept))
    return made


def _kept(parts: Parts, reader: Pictures, image: Image, *, allow_private: bool) -> Image:
    try:
        small = images.small(reader.read(image.url, allow_private=allow_private))
        name = f"picture-{sha256(small.data).hexdigest()[:32]}.{small.ending}"
        parts.folder.put(name, small.data, small.media_type)
    except errors.SourceError as error:
        return _lost(image, _unread(error, image.url))
    except (errors.FolderError, ValueError) as error:
        return _lost(image, f"{error} ({shown(image.url)})")
    return replace(
        image,
        url=f"{base_url(parts.site)}/{name}",
        type=small.media_type,
        bytes=len(small.data),
        width=small.width,
        height=small.height,
    )


def _lost(image: Image, why: str) -> Image:
    return replace(image, url="", lost=why)


def _unread(error: errors.SourceError, url: str) -> str:
    """Why a picture could not be read, without the remedies that are for sources."""
    if status := error.ids.get("status"):
        return f"{shown(url)} answers {status}"
    return f"{shown(url)} is too large a file" if error.ids.get("large") else str(error)
