"""`publisher why EDITION`: why each article that was considered for an edition is in it or not, and who got what."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from publisher.cli import console, shown
from publisher.cli.words import count, when
from publisher.errors import NotFound

if TYPE_CHECKING:
    from publisher.model import Article, Decision, Edition
    from publisher.ports import Parts


#: Editions among which the nearest to a key that none has are looked for, and how many are named.
_LATEST, _NEAREST = 200, 3


def names_edition(parts: Parts, words: list[str]) -> bool:
    """Whether somebody means an edition, as "gazette/daily:2026-11-22", and not an address or words of a title."""
    slug, slash, slot = words[0].partition("/")
    is_slug = bool(slug) and slug.replace("-", "").isalnum()
    return bool(len(words) == 1 and slash and is_slug) and (
        ":" in slot or slug in {one.slug for one in parts.newsletters}
    )


def no_edition(parts: Parts, key: str) -> NotFound:
    """An error that names the nearest there are."""
    keys = [edition.key for edition in parts.store.editions.newest(_LATEST)]
    nearest = ", ".join(get_close_matches(key, keys, n=_NEAREST, cutoff=0.0))
    there = f"the nearest are: {nearest}" if nearest else "none has been made yet"
    return NotFound(f"there is no edition {key!r}; {there}", edition=key)


def why_edition(parts: Parts, edition: Edition, *, json: bool) -> None:
    decisions = parts.store.decisions.of_edition(edition.id)
    articles = parts.store.articles.get([one.article for one in decisions])
    versions, skips = _versions(parts, edition), dict(parts.store.outbox.skips(edition.id))
    if json:
        told = [_told(one, articles) for one in decisions]
        said = {"decisions": told, "versions": versions, "skipped": skips}
        console.dump({"edition": shown.edition(parts, edition), **said})
        return
    zone = parts.site.timezone
    console.say(shown.line(parts, edition))
    console.say(f"  due {when(edition.due_at, zone)}, made {when(edition.composed_at, zone)}" + _approved(edition))
    if not decisions:
        console.say("  It keeps no reasons: nothing was considered, or it is from before they were kept.")
        return
    first = sorted(decisions, key=lambda one: not one.included)
    rows = [
        ("in" if one.included else "out", _title(one, articles), str(one.revision), when(one.at, zone), one.rule)
        for one in first
    ]
    console.table(("in/out", "article", "revision", "since", "rule"), rows)
    for one in versions:
        console.say(f"“{one['title']}”, revision {one['revision']}: {count(one['readers'], 'reader')}")
    for why, number in sorted(skips.items()):
        console.say(f"{count(number, 'reader')} skipped: {why or 'nothing was kept of why'}")


def _approved(edition: Edition) -> str:
    return f", approved by {edition.approved_by}" if edition.approved_by else ""


def _title(one: Decision, articles: Any) -> str:
    article: Article | None = articles.get(one.article)
    return f"{article.revision.title} ({article.source})" if article else f"article {one.article}"


def _told(one: Decision, articles: Any) -> dict[str, Any]:
    return {
        "article": one.article,
        "title": _title(one, articles),
        "revision": one.revision,
        "included": one.included,
        "rule": one.rule,
        "since": one.at,
    }


def _versions(parts: Parts, edition: Edition) -> list[dict[str, Any]]:
    """Of stories that were changed while the edition was sent: how many readers are to get, or got, which revision."""
    held: dict[int, dict[int, int]] = {}
    readers = parts.store.editions.shares(edition.id)
    for variant in parts.store.editions.variants(edition.id) if len(readers) > 1 else ():
        for item in variant.items:
            of = held.setdefault(item.article, {})
            of[item.revision] = of.get(item.revision, 0) + readers.get(variant.id, 0)
    articles = parts.store.articles.get([article for article, of in held.items() if len(of) > 1])
    return [
        {"article": id, "title": article.revision.title, "revision": revision, "readers": number}
        for id, article in articles.items()
        for revision, number in sorted(held[id].items())
    ]
