"""The story, after step 3: what an edition was made from, and making it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from publisher import __version__, errors, keep
from publisher import compose as composing
from publisher import deliver as delivering
from publisher.kit.templating import TemplateFolders
from publisher.model import Article, Item, Newsletter, Recipe, Rendered, Slot, Variant
from publisher.ports import Parts, Templates
from publisher.syndicate import base_url

#: How often a rendering is made again because somebody saved a template meanwhile.
TRIES = 3


def make(
    parts: Parts,
    newsletter: Newsletter,
    slot: Slot,
    items: Sequence[Item],
    articles: Mapping[int, Article],
    *,
    now: datetime,
    language: str = "",
) -> Variant:
    """Render a variant, and note what it was made from. Nothing is stored: the store keeps both together.

    Raises TemplateError."""
    newsletter = newsletter.of(slot.name)
    recipe = Recipe(
        newsletter=newsletter,
        site=parts.site,
        slot=slot,
        language=language or newsletter.language,
        online_url=keep.page_url(newsletter, slot, parts.site, base_url(parts.site)),
        now=now,
        items=tuple(items),
        articles={item.article: articles[item.article] for item in items},
        templates=parts.templates.sources(newsletter.template),
        publisher=__version__,
    )
    for _ in range(TRIES):
        rendered = _render(recipe, parts.templates)
        after = parts.templates.sources(newsletter.template)
        if after == recipe.templates:
            break
        recipe = replace(recipe, templates=after)
    variant, written = _variant(recipe, rendered), keep.write(recipe)
    return replace(variant, recipe=written.hash, materials=written.materials)


class Press:
    """Makes more variants of an edition, by a recipe whose templates these are and that has the articles of all their
    items. What they have in common is worked out once."""

    def __init__(self, recipe: Recipe, templates: Templates) -> None:
        self._newsletter = recipe.newsletter
        self._renderer = _renderer(recipe, templates)
        self._writer = keep.Writer(recipe)

    def make(self, items: tuple[Item, ...], language: str) -> Variant:
        """Raises TemplateError."""
        rendered = self._renderer.render(items, language)
        variant = composing.variant(self._newsletter, items, rendered, language=language)
        written = self._writer.write(items, language)
        return replace(variant, recipe=written.hash, materials=written.materials)


#: Makes a variant again with other items, of which these articles say something else than its recipe does.
Reprint = Callable[[Variant, tuple[Item, ...], Mapping[int, Article]], Variant]


@contextmanager
def reprinting(parts: Parts) -> Iterator[Reprint]:
    """With all else that they were made with. Those that were made alike share a press."""
    presses: list[tuple[Recipe, dict[int, Article], Press]] = []
    with ExitStack() as open_templates:

        def reprint(variant: Variant, items: tuple[Item, ...], fresh: Mapping[int, Article]) -> Variant:
            recipe = recipe_of(parts, variant)
            wanted = {item.article: fresh.get(item.article) or recipe.articles[item.article] for item in items}
            alike = replace(recipe, items=(), language="", articles={})
            for common, articles, press in presses:
                if common == alike and all(articles.get(id, one) == one for id, one in wanted.items()):
                    articles.update(wanted)
                    return press.make(items, recipe.language)
            press = Press(replace(recipe, articles=wanted), open_templates.enter_context(templates_of(recipe)))
            presses.append((alike, wanted, press))
            return press.make(items, recipe.language)

        yield reprint


def _renderer(recipe: Recipe, templates: Templates) -> composing.Renderer:
    return composing.Renderer(
        recipe.newsletter,
        recipe.slot,
        recipe.articles,
        site=recipe.site,
        templates=templates,
        now=recipe.now,
        online_url=recipe.online_url,
    )


def _render(recipe: Recipe, templates: Templates) -> Rendered:
    return _renderer(recipe, templates).render(recipe.items, recipe.language)


def _variant(recipe: Recipe, rendered: Rendered) -> Variant:
    return composing.variant(recipe.newsletter, recipe.items, rendered, language=recipe.language)


# ---------------------------------------------------------------- made again


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A variant as it was stored, and made again from its recipe; `again` is None where that fails, for a `reason`."""

    stored: Variant
    again: Variant | None
    reason: str = ""

    @property
    def same(self) -> bool:
        return self.again is not None and self.again.rendered == self.stored.rendered


def rebuild(parts: Parts, key: str) -> tuple[Rebuilt, ...]:
    """Make every variant of an edition again from what was kept. Raises NotFound."""
    edition = parts.store.editions.get(key)
    variants = parts.store.editions.variants(edition.id)
    if not variants:
        raise errors.NotFound(f"{key} was never rendered: {edition.reason or edition.state}", edition=key)
    return tuple(_again(parts, variant) for variant in variants)


def _again(parts: Parts, stored: Variant) -> Rebuilt:
    try:
        recipe = recipe_of(parts, stored)
        with templates_of(recipe) as templates:
            again = _variant(recipe, _render(recipe, templates))
    except errors.PublisherError as error:
        return Rebuilt(stored=stored, again=None, reason=str(error))
    made = replace(stored, key=again.key, rendered=again.rendered, content_hash=again.content_hash)
    rebuilt = Rebuilt(stored=stored, again=made)
    if rebuilt.same or recipe.publisher == __version__:
        return rebuilt
    return replace(rebuilt, reason=f"it was made by Publisher {recipe.publisher}, and this is {__version__}")


def recipe_of(parts: Parts, variant: Variant) -> Recipe:
    """What a variant was made from. Raises NotFound of one from before that was kept, StoreError."""
    if not variant.recipe:
        raise errors.NotFound("it was made before Publisher kept what editions are made from")
    kept = parts.store.kept
    body = (variant.materials or kept.materials([variant.recipe])).get(variant.recipe, b"")
    if keep.digest(body) != variant.recipe:
        raise errors.StoreError("what this edition was made from is lost, or was altered")
    needed = keep.needs(body)
    texts = variant.materials or kept.materials(needed.texts)
    return keep.read(body, texts, parts.store.articles.revisions(needed.revisions))


def lost_pictures(parts: Parts, variant: Variant) -> Mapping[int, str]:
    """By article of a variant: why the picture that it has was left out, as the site hosts what is mailed."""
    if parts.pictures is None or not variant.recipe:
        return {}
    body = (variant.materials or parts.store.kept.materials([variant.recipe])).get(variant.recipe)
    return keep.lost_pictures(body) if body else {}


@contextmanager
def templates_of(recipe: Recipe) -> Iterator[Templates]:
    """The templates of that time."""
    with TemporaryDirectory(prefix="publisher-") as place:
        for name, source in recipe.templates.items():
            path = Path(place, name)
            if not path.resolve().is_relative_to(Path(place).resolve()):
                raise errors.StoreError(f"{name!r} is no template's name")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source)
        yield TemplateFolders([Path(place)], changing=False)


def message_again(parts: Parts, key: str, subscriber: int) -> bytes:
    """The message of an edition to one reader, from the variant made again and the letterhead it left with.

    Raises NotFound when they got nothing of it, or are no reader of it any more; StoreError when what it was made
    from gives other bytes."""
    edition = parts.store.editions.get(key)
    got = next((one for one in parts.store.outbox.history(subscriber) if one.edition == key), None)
    if got is None or not got.batch:
        raise errors.NotFound(f"this reader got nothing of {key}" + (f": {got.detail}" if got else ""), edition=key)
    batch = next(one for one in parts.store.outbox.batches(edition.id) if one.key == got.batch)
    [variant] = [one for one in parts.store.editions.variants(edition.id) if one.key == got.variant]
    made = _again(parts, variant)
    if made.again is None or not made.same:
        raise errors.StoreError(f"{key} cannot be made again: {made.reason or 'it gives other bytes'}")
    person = parts.store.audience.recipients(edition.newsletter, [subscriber]).get(subscriber)
    if person is None:
        raise errors.NotFound("this reader's address was erased", edition=key)
    head, mailer = edition.letterheads[batch.letterhead], parts.mailers.get(batch.mailer)
    return delivering.specimen(edition, head, made.again.rendered, person=person, mailer=mailer, keys=parts.keys)
