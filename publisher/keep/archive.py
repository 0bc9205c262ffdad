"""The archive: each edition as a web page that stands where it stands for good, lists of them, and a feed of them.

A page shows an edition as it was approved. What was taken back since is told in a banner, and a retracted story is
not told again; nothing of any reader is in it. All of it is made from what was kept and from what is said of the
articles now, never from a clock: the same makes the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from publisher.model import (
    Article,
    ArticleState,
    Feed,
    FeedDocument,
    Item,
    Label,
    Newsletter,
    Page,
    Revision,
    RevisionKind,
    Site,
    Slot,
    Variant,
)

#: The folder of all archives, beside the feeds.
FOLDER = "archive"
#: Editions on a newsletter's first page, and in its feed.
LISTED, FED = 30, 20
#: The address of the feeds of editions, without their ending.
_FEED = "editions"
_OWN = re.compile(r"[a-z0-9-]+")


def folder(newsletter: Newsletter) -> str:
    """Where a newsletter's archive is, named by its first slug, so that links survive a renaming."""
    return f"{FOLDER}/{newsletter.origin}"


def in_archive(name: str) -> bool:
    """Whether a file beside the feeds belongs to an archive, and not to a feed, whatever that one is called."""
    return name.startswith(f"{FOLDER}/") and name.count("/") == 2


def page_name(newsletter: Newsletter, slot: str) -> str:
    """The file of an edition's page, such as "archive/daily/daily-2026-11-22.html": known before there is an edition,
    and the same whatever becomes of the settings."""
    return f"{folder(newsletter)}/{_stem(slot)}.html"


def page_url(newsletter: Newsletter, slot: Slot, site: Site, base: str) -> str:
    """The address of an edition's page, or "" where there is none, or nobody outside could open it. `base` is where
    the folder is served."""
    return f"{base}/{page_name(newsletter, slot.name)}" if newsletter.archive and site.public_url else ""


def _stem(slot: str) -> str:
    """A slot in the letters of a file's name. What a person named, and a name would not show, gets a hash of it."""
    plain = slot.lower().replace(":", "-")
    if _OWN.fullmatch(plain) and (plain == slot.replace(":", "-", 1) or not slot.startswith("manual:")):
        return plain
    kept = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9-]+", "-", plain)).strip("-")[:60]
    return f"{kept}-{sha256(slot.encode()).hexdigest()[:8]}"


# ---------------------------------------------------------------- what a page shows


def shown(variants: Sequence[Variant], language: str, everybody: Iterable[Item]) -> Variant:
    """The variant that stands for an edition: the one nearest to what everybody may get (not what one reader is owed of
    earlier ones), in the newsletter's language where there is one such, as it was told last."""
    wanted = {(item.article, item.label) for item in everybody}

    def worth(one: Variant) -> tuple[bool, bool, int, int, int]:
        apart = wanted ^ {(item.article, item.label) for item in one.items}
        newest = sum(item.revision for item in one.items)
        return one.language == language, not one.superseded_by, -len(apart), newest, -one.id

    return max(variants, key=worth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What readers are told of a story since it was mailed: `kind` is "correction" or "retraction"."""

    kind: str
    note: str
    at: datetime


def notices(
    items: Iterable[Item], now: Mapping[int, Article], later: Mapping[tuple[int, int], Revision]
) -> dict[int, Notice]:
    """By article: what was taken back of it since. `now` is how the articles stand, `later` their revisions after
    the ones that were shown. What the edition itself told as a retraction is not told twice."""
    found: dict[int, Notice] = {}
    for item in items:
        article = now.get(item.article)
        if article is None or item.label is Label.RETRACTION:
            continue
        if article.state is ArticleState.RETRACTED:
            at = article.retracted_at or article.revision.updated_at
            found[item.article] = Notice(kind="retraction", note=article.retraction_note, at=at)
            continue
        said = [later[key] for key in later_keys(item, article) if key in later]
        corrections = [revision for revision in said if revision.kind is RevisionKind.CORRECTION]
        if corrections:
            last = max(corrections, key=lambda revision: revision.number)
            found[item.article] = Notice(kind="correction", note=last.note, at=last.updated_at)
    return found


def later_keys(item: Item, article: Article) -> list[tuple[int, int]]:
    """The revisions of an article after the one that was shown, as keys of `articles.revisions`."""
    return [(item.article, number) for number in range(item.revision + 1, article.revision.number + 1)]


def gravest(found: Collection[Notice]) -> str:
    kinds = {notice.kind for notice in found}
    return next((kind for kind in ("retraction", "correction") if kind in kinds), "")


# ---------------------------------------------------------------- lists and the feed


def lists(pages: Sequence[Page], timezone: str) -> dict[str, list[Page]]:
    """The pages of each list, by its file's name without ending: the newest on "index", and all of each year."""
    by_year: dict[str, list[Page]] = {}
    for page in pages:
        by_year.setdefault(f"{page.at.astimezone(ZoneInfo(timezone)).year:04}", []).append(page)
    return {"index": list(pages[:LISTED]), **by_year}


def years(pages: Sequence[Page], timezone: str) -> dict[str, int]:
    """How many editions each year has, the newest year first."""
    return dict(Counter(f"{page.at.astimezone(ZoneInfo(timezone)).year:04}" for page in pages))


def feed_name(newsletter: Newsletter) -> str:
    """The file of the feed of a newsletter's editions, without its ending."""
    return f"{folder(newsletter)}/{_FEED}"


def feed(newsletter: Newsletter, pages: Sequence[Page], site: Site, base: str) -> FeedDocument:
    """The feed of a newsletter's newest editions, each an entry with what it tells of, and a link to its page."""
    home = f"{base}/{folder(newsletter)}/index.html"
    entries = tuple(_entry(newsletter, page, site, base) for page in pages[:FED])
    return FeedDocument(
        feed=Feed(
            slug=feed_name(newsletter),
            title=f"{newsletter.name} · {site.name}",
            home_url=home,
            language=newsletter.language,
            limit=FED,
            archive=False,
        ),
        feed_id=f"tag:{site.tag_authority}:editions/{newsletter.origin}",
        base_url=base,
        hub=site.hub,
        articles=entries,
        updated_at=max(page.updated_at for page in pages[:FED]),
        page_url=home,
    )


def entry_id(newsletter: Newsletter, name: str, site: Site) -> str:
    """What an edition is known by in feeds (RFC 4151), for good."""
    stem = name.rpartition("/")[2].removesuffix(".html")
    return f"tag:{site.tag_authority}:edition/{newsletter.origin}/{stem}"


def _entry(newsletter: Newsletter, page: Page, site: Site, base: str) -> Article:
    return Article(
        id=page.edition,
        source=newsletter.slug,
        native_id=page.name,
        story=page.name,
        canonical_url=f"{base}/{page.name}",
        entry_id=entry_id(newsletter, page.name, site),
        first_seen_at=page.at,
        revision=Revision(
            number=1,
            title=page.subject,
            content_html=page.content,
            language=page.language,
            published_at=page.at,
            updated_at=page.updated_at,
            content_hash="",
        ),
    )
