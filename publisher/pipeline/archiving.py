"""The story: editions that have left, as web pages beside the feeds, their lists, and a feed of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from publisher import compose as composing
from publisher import errors, keep
from publisher import syndicate as syndicating
from publisher.model import Edition, EditionState, Label, Newsletter, Page, Recipe, Variant
from publisher.pipeline.keeping import Press, recipe_of, templates_of
from publisher.pipeline.serving import HTML, STYLE
from publisher.ports import Parts

#: From a page of the archive to what stands beside the feeds.
_UP = "../../"


def archive(parts: Parts, slug: str) -> int:
    """Write the pages of a newsletter's archive that are due, and what names them all. How many were written.

    A failure is recorded, and raised: FolderError, GateError, TemplateError, StoreError."""
    if slug in hidden(parts):
        return _close(parts, slug)
    kept, due = parts.store.kept, dict(parts.store.kept.due_pages(slug))
    try:
        built = {page.edition: page for id in due for page in [_page(parts, id)]}
        others = [page for page in kept.pages(slug) if page.edition not in built]
        listed = _newest_first([*others, *(page for page in built.values() if page.listed)])
        _write_lists(parts, slug, listed)
        kept.pages_built(built, due)
        if (now := _newest_first(kept.pages(slug))) != listed:  # somebody else wrote a page meanwhile
            _write_lists(parts, slug, now)
    except errors.PublisherError as error:
        kept.page_failed(slug, at=parts.clock.now(), error=str(error))
        raise
    return len(built)


def _newest_first(pages: Iterable[Page]) -> list[Page]:
    return sorted(pages, key=lambda page: (page.at, page.edition), reverse=True)


def hidden(parts: Parts) -> tuple[str, ...]:
    """Newsletters whose editions only their subscribers may read."""
    return tuple(newsletter.slug for newsletter in parts.newsletters if not newsletter.archive)


def open_page(parts: Parts, newsletter: Newsletter) -> None:
    """An edition leaves: its page is there before its mails are. What goes wrong with it keeps no mail back; the page
    is due until it stands there."""
    if newsletter.archive:
        with suppress(errors.PublisherError):
            archive(parts, newsletter.slug)


# ---------------------------------------------------------------- one page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """An edition as its page tells it."""

    edition: Edition
    variant: Variant
    recipe: Recipe
    notices: Mapping[int, keep.Notice]

    @property
    def name(self) -> str:
        return keep.page_name(self.recipe.newsletter, self.edition.slot)


def _page(parts: Parts, id: int) -> Page:
    """Write an edition's page, or take it away when nobody got the edition after all."""
    edition = parts.store.editions.by_id(id)
    variants = [variant for variant in parts.store.editions.variants(id) if variant.recipe]
    if not variants:  # it was made before Publisher kept what editions are made from
        at = edition.approved_at or edition.due_at
        return Page(edition=id, name="", subject="", language="", at=at, stories=0, updated_at=at, listed=False)
    language = recipe_of(parts, variants[0]).newsletter.language
    variant = keep.shown(variants, language, composing.for_everybody(edition.items))
    recipe = recipe_of(parts, variant)
    shown = _Shown(edition=edition, variant=variant, recipe=recipe, notices=_notices(parts, recipe))
    listed = not _withdrawn(parts, edition)
    values = _values(parts, shown)
    if listed:
        page = _rendered(parts, "edition", values, language=variant.language, timezone=recipe.newsletter.timezone)
        parts.folder.put(shown.name, page, HTML)
    else:
        _end(parts, [shown.name])
    at = edition.approved_at or edition.due_at
    return Page(
        edition=id,
        name=shown.name,
        subject=_subject(shown),
        language=variant.language,
        at=at,
        stories=len(variant.items),
        notice="retraction" if _retracts(variant) else keep.gravest(shown.notices.values()),
        updated_at=max([at, *(notice.at for notice in shown.notices.values())]),
        content=parts.templates.render("web/public/edition_entry.html", values, language=variant.language),
        listed=listed,
    )


def _subject(shown: _Shown) -> str:
    """An edition's subject as it was mailed, or, where the story that it names was withdrawn since, as it would be told
    now: lists and feeds go on showing it as a headline."""
    gone = {article for article, notice in shown.notices.items() if notice.kind == "retraction"}
    items = shown.recipe.items
    if not items or items[0].article not in gone:
        return shown.variant.rendered.subject
    withdrawn = [replace(item, label=Label.RETRACTION, section="") for item in items if item.article in gone]
    told = (*(item for item in items if item.article not in gone), *withdrawn)
    with templates_of(shown.recipe) as templates:
        return Press(shown.recipe, templates).make(told, shown.variant.language).rendered.subject


def _retracts(variant: Variant) -> bool:
    return any(item.label is Label.RETRACTION for item in variant.items)


def _withdrawn(parts: Parts, edition: Edition) -> bool:
    """Cancelled before anything of it can have arrived."""
    sums = parts.store.outbox.sums(edition.id)
    return edition.state is EditionState.CANCELLED and not (sums.accepted or sums.unknown or sums.waiting)


def _notices(parts: Parts, recipe: Recipe) -> dict[int, keep.Notice]:
    now = parts.store.articles.get([item.article for item in recipe.items])
    keys = [key for item in recipe.items if item.article in now for key in keep.later_keys(item, now[item.article])]
    return keep.notices(recipe.items, now, parts.store.articles.revisions(keys))


def _values(parts: Parts, shown: _Shown) -> dict[str, Any]:
    recipe, base = shown.recipe, syndicating.base_url(parts.site)
    views = composing.Telling(recipe.articles).stories(recipe.items, 1)
    told: list[dict[str, Any]] = [
        {"story": story, "notice": shown.notices.get(item.article), "place": f"story-{number}"}
        for number, (item, story) in enumerate(zip(recipe.items, views, strict=True), start=1)
    ]
    lead = told[0] if told and not views[0].corrects else None
    rest = told[1:] if lead else told
    sections = [
        {"title": title, "corrections": corrections, "stories": list(members)}
        for (title, corrections), members in groupby(rest, lambda one: _heading(one["story"]))
    ]
    return {
        "newsletter": recipe.newsletter.name,
        "date": recipe.slot.due_at.astimezone(ZoneInfo(recipe.newsletter.timezone)).date(),
        "lead": lead,
        "sections": sections,
        "stories": told,
        "notice": keep.gravest(shown.notices.values()),
        "url": f"{base}/{shown.name}" if parts.site.public_url else "",
        "links": _links(parts, recipe.newsletter),
        "timezone": recipe.newsletter.timezone,
    }


def _heading(story: composing.StoryView) -> tuple[str, bool]:
    return story.section, story.corrects


def _links(parts: Parts, newsletter: Newsletter) -> list[dict[str, str]]:
    name = keep.feed_name(newsletter)
    return [
        {
            "name": format.name,
            "type": format.media_type,
            "url": f"{syndicating.base_url(parts.site)}/{name}.{format.ending}",
        }
        for format in parts.formats.values()
    ]


# ---------------------------------------------------------------- what names them all


def _write_lists(parts: Parts, slug: str, pages: Sequence[Page]) -> None:
    newsletter = _newsletter(parts, slug, pages)
    if newsletter is None:
        return
    if not pages:
        _close(parts, slug)
        return
    years = keep.years(pages, newsletter.timezone)
    for name, listed in keep.lists(pages, newsletter.timezone).items():
        values = {
            "newsletter": newsletter.name,
            "year": "" if name == "index" else name,
            "years": years,
            "editions": [{"page": page, "file": page.name.rpartition("/")[2]} for page in listed],
            "links": _links(parts, newsletter),
            "url": f"{syndicating.base_url(parts.site)}/{keep.folder(newsletter)}/{name}.html",
        }
        page = _rendered(parts, "editions", values, language=newsletter.language, timezone=newsletter.timezone)
        parts.folder.put(f"{keep.folder(newsletter)}/{name}.html", page, HTML)
    css = parts.templates.render("web/public/public.css", {}).encode()
    parts.folder.put(STYLE, css, "text/css; charset=utf-8")
    _publish(parts, newsletter, pages)


def _newsletter(parts: Parts, slug: str, pages: Sequence[Page]) -> Newsletter | None:
    """As the settings have it; one that they name no more as its newest edition had it."""
    for newsletter in parts.newsletters:
        if newsletter.slug == slug:
            return newsletter
    for page in pages:
        return recipe_of(parts, parts.store.editions.variants(page.edition)[0]).newsletter
    return None


def _publish(parts: Parts, newsletter: Newsletter, pages: Sequence[Page]) -> None:
    """The feed of editions, through the same gate as every feed."""
    document = keep.feed(newsletter, pages, parts.site, syndicating.base_url(parts.site))
    document = replace(document, feed=replace(document.feed, formats=tuple(parts.formats)))
    ours = keep.entry_id(newsletter, "", parts.site)

    def known(ids: Collection[str]) -> list[str]:
        return [id for id in ids if id.startswith(ours)]  # an edition is never lost, only withdrawn

    published = syndicating.publish(document, parts.formats, parts.folder, known=known)
    if parts.hub:
        parts.store.serving.changed(published.digests)


def _close(parts: Parts, slug: str) -> int:
    """Take a newsletter's archive away; whoever asks for a page of it is told that it is gone."""
    newsletter = next((one for one in parts.newsletters if one.slug == slug), None)
    if newsletter is None:
        return 0
    names = [name for name in parts.folder.names() if name.startswith(f"{keep.folder(newsletter)}/")]
    _end(parts, names)
    parts.store.kept.close_archive(slug)
    return 0


def _end(parts: Parts, names: Sequence[str]) -> None:
    there = [name for name in names if parts.folder.get(name) is not None]
    parts.store.serving.end(there, at=parts.clock.now())
    for name in there:
        parts.folder.end(name)


def _rendered(parts: Parts, template: str, values: Mapping[str, Any], *, language: str, timezone: str) -> bytes:
    given = {
        "site": composing.site_view(parts.site),
        "style": f"{_UP}{STYLE}",
        "feeds_url": f"{_UP}index.html",
        "timezone": timezone,
    }
    return parts.templates.render(f"web/public/{template}.html", {**given, **values}, language=language).encode()
