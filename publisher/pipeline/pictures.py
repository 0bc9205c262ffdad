"""The story, step 3: pictures of an edition, made small and served beside the feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from publisher import errors
from publisher.kit import images
from publisher.model import Article, Image, Item
from publisher.ports import Parts
from publisher.syndicate import base_url

#: Seconds after which the pictures that are left are left out.
PATIENCE = 60.0


def hosted(parts: Parts, items: Sequence[Item], articles: Mapping[int, Article]) -> Mapping[int, Article]:
    """The articles with pictures that can be mailed: where the site hosts them, each picture is a file of at most
    1,152 pixels beside the feeds, named after its content. One that cannot be read or kept is left out, for it
    would be a broken picture, or too large a one, in the mail."""
    reader = parts.pictures
    if reader is None:
        return articles
    open_ones = {source.slug for source in parts.sources if source.allow_private}
    ends, made = parts.clock.monotonic() + PATIENCE, dict(articles)
    for item in items:
        article = articles[item.article]
        if (image := article.revision.image) is None:
            continue
        kept: Image | None = None
        if parts.clock.monotonic() < ends:
            kept = _kept(parts, image, allow_private=article.source in open_ones)
        made[article.id] = replace(article, revision=replace(article.revision, image=kept))
    return made


def _kept(parts: Parts, image: Image, *, allow_private: bool) -> Image | None:
    if parts.pictures is None:
        return None
    try:
        small = images.small(parts.pictures.read(image.url, allow_private=allow_private))
        name = f"picture-{sha256(small.data).hexdigest()[:32]}.{small.ending}"
        parts.folder.put(name, small.data, small.media_type)
    except (errors.SourceError, errors.FolderError, ValueError):
        return None
    return replace(
        image,
        url=f"{base_url(parts.site)}/{name}",
        type=small.media_type,
        bytes=len(small.data),
        width=small.width,
        height=small.height,
    )
