"""A recipe as a document, and back.

The document names the texts it needs by their SHA-256 and the articles by their revision, which never changes. So a
thousand variants of an edition, and every edition until a template changes, share the same few texts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from publisher.errors import StoreError
from publisher.model import Article, Image, Item, Newsletter, Recipe, Revision, Site, Slot

#: The form of the document.
FORM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A recipe that was written: the hash of its document, and the bodies of the document and of all it names."""

    hash: str
    materials: Mapping[str, bytes]


def canonical(value: object) -> bytes:
    """JSON with one spelling: sorted names, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


class Writer:
    """Writes the recipes of one edition's variants, which differ in their items and their language. Who is told of
    alarms does not belong to an edition, and is left out."""

    def __init__(self, recipe: Recipe) -> None:
        self._articles = recipe.articles
        self._told: dict[int, dict[str, Any]] = {}
        self._texts = {digest(source): source for source in recipe.templates.values()}
        site = replace(recipe.site, alarms=(), alarm_mailer="", alarm_sender="")
        self._document = {
            "form": FORM,
            "publisher": recipe.publisher,
            "newsletter": _plain(Newsletter, recipe.newsletter),
            "site": _plain(Site, site),
            "slot": _plain(Slot, recipe.slot),
            "online_url": recipe.online_url,
            "now": recipe.now.isoformat(),
            "templates": {name: digest(source) for name, source in recipe.templates.items()},
        }

    def write(self, items: tuple[Item, ...], language: str) -> Written:
        """The document of a variant, and the texts it names."""
        own = {
            "language": language,
            "items": _plain(tuple[Item, ...], items),
            "articles": [self._article(id) for id in sorted({item.article for item in items})],
        }
        body = canonical(self._document | own)
        return Written(hash=digest(body), materials={digest(body): body, **self._texts})

    def _article(self, id: int) -> dict[str, Any]:
        if id not in self._told:
            self._told[id] = _article(self._articles[id])
        return self._told[id]


def write(recipe: Recipe) -> Written:
    """The document of a recipe and the texts it names: see `Writer`."""
    return Writer(recipe).write(recipe.items, recipe.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a document names: texts by their hash, and revisions as (article, number)."""

    texts: Collection[str]
    revisions: Collection[tuple[int, int]]


def needs(body: bytes) -> Needed:
    document = json.loads(body)
    revisions = [(article["id"], article["revision"]) for article in document["articles"]]
    return Needed(texts=tuple(document["templates"].values()), revisions=revisions)


def lost_pictures(body: bytes) -> Mapping[int, str]:
    """By article that a document names: why its picture was left out."""
    images = {article["id"]: article["image"] or {} for article in json.loads(body)["articles"]}
    return {id: image["lost"] for id, image in images.items() if image.get("lost")}


def read(body: bytes, texts: Mapping[str, bytes], revisions: Mapping[tuple[int, int], Revision]) -> Recipe:
    """The recipe that a document tells of. Raises StoreError when something of it is lost or not what it was."""
    try:
        document = json.loads(body)
        return Recipe(
            publisher=document["publisher"],
            newsletter=_adapter(Newsletter).validate_python(document["newsletter"]),
            site=_adapter(Site).validate_python(document["site"]),
            slot=_adapter(Slot).validate_python(document["slot"]),
            language=document["language"],
            online_url=document["online_url"],
            now=datetime.fromisoformat(document["now"]),
            items=_adapter(tuple[Item, ...]).validate_python(document["items"]),
            articles={told["id"]: _told(told, revisions) for told in document["articles"]},
            templates={name: _text(name, hash, texts) for name, hash in document["templates"].items()},
        )
    except (KeyError, ValueError, ValidationError) as error:
        raise StoreError(f"what this edition was made from cannot be read: {error}") from error


def _text(name: str, hash: str, texts: Mapping[str, bytes]) -> bytes:
    if hash not in texts:
        raise StoreError(f"the text of {name} that this edition was made from is lost")
    if digest(texts[hash]) != hash:
        raise StoreError(f"the text of {name} that this edition was made from was altered")
    return texts[hash]


def _article(article: Article) -> dict[str, Any]:
    """All but its text, which its revision has; the picture is told, since the site may host its own."""
    told: dict[str, Any] = _plain(Article, article)
    image = article.revision.image
    return {**told, "revision": article.revision.number, "image": _plain(Image, image) if image else None}


def _told(told: Mapping[str, Any], revisions: Mapping[tuple[int, int], Revision]) -> Article:
    key = (told["id"], told["revision"])
    if key not in revisions:
        raise StoreError(f"revision {key[1]} of article {key[0]} is lost")
    image = _adapter(Image).validate_python(told["image"]) if told["image"] else None
    rest = {name: value for name, value in told.items() if name not in ("revision", "image")}
    bare: Article = _adapter(Article).validate_python({**rest, "revision": _EMPTY})
    return replace(bare, revision=replace(revisions[key], image=image))


#: Stands where the revision goes.
_EMPTY = {"number": 0, "published_at": "2000-01-01T00:00:00Z", "updated_at": "2000-01-01T00:00:00Z", "title": ""} | {
    "content_hash": ""
}


def _plain(kind: Any, value: object) -> Any:
    return _adapter(kind).dump_python(value, mode="json")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
