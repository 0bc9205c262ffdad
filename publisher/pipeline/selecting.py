"""The story, step 4: one message for each reader, with the stories they follow and have not got.

An edition's items are what anybody may get of it, frozen when it was approved. What one reader gets is decided by their
topics, their language and what they were sent before; readers who agree in all of these are a combination, and
combinations that show the same share a variant, which is rendered once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from publisher import compose as composing
from publisher import deliver as delivering
from publisher import errors
from publisher.model import Candidate, Edition, Item, Newsletter, Rendered, Variant
from publisher.pipeline import keeping, preflighting
from publisher.pipeline.freezing import Frozen, freeze
from publisher.pipeline.remembering import NOTHING, Remembered
from publisher.ports import Parts, Templates

#: Combinations that are rendered before an edition is planned, so that the last look is at them too.
AHEAD = 200
Making = Literal["stored", "held", "counted"]

_NO_TEXT = Rendered(subject="", html="", text="")
_ALL_GOT = "has got all of it already"
_NOTHING_NEW = "nothing new in their topics"


@dataclass(slots=True)
class Checked:
    """What preflight has seen of an edition. A variant that is not larger than all before it, and that holds nothing
    else, leads with nothing else and speaks no other language, could show it nothing new."""

    largest: int = 0
    seen: set[object] = field(default_factory=set)

    def covers(self, variant: Variant) -> bool:
        return len(variant.rendered.html) <= self.largest and self._parts(variant) <= self.seen

    def add(self, variant: Variant) -> None:
        self.largest = max(self.largest, len(variant.rendered.html))
        self.seen |= self._parts(variant)

    @staticmethod
    def _parts(variant: Variant) -> set[object]:
        lead = variant.items[0]
        held = {(variant.language, item.article, item.label) for item in variant.items}
        return {*held, (variant.language, "leads", lead.article, lead.label, len(variant.items) == 1)}


@dataclass(slots=True)
class Selecting:
    """A chooser (see `deliver.Chooser`) that renders each combination it meets for the first time."""

    parts: Parts
    frozen: Frozen
    remembered: Remembered
    templates: Templates
    making: Making
    checked: Checked
    _known: dict[tuple[tuple[str, ...], str, int], Variant | str] = field(default_factory=dict)
    _variants: dict[str, Variant] = field(default_factory=dict)

    def __call__(self, people: Sequence[Candidate]) -> Mapping[int, Variant | str]:
        got, known = self.remembered.of(people), self._known
        answers: dict[int, Variant | str] = {}
        for person in people:
            subscriber = person.subscriber
            combination = (person.topics, person.language, got.get(subscriber, 0))
            answer = known.get(combination)
            if answer is None:
                answer = known[combination] = self.decide(*combination)
            answers[subscriber] = answer
        return answers

    @property
    def combinations(self) -> int:
        """How many were met: of topics, language and memory."""
        return len(self._known)

    @property
    def variants(self) -> int:
        """How many they share."""
        return len(self._variants)

    def decide(self, topics: tuple[str, ...], language: str, number: int = 0) -> Variant | str:
        """What readers get who follow these topics, and of whom the set of that number is remembered; or why not."""
        got = self.remembered.sets[number]
        items = self.frozen.items_for(topics, got)
        if not items:
            return _ALL_GOT if got and self.frozen.items_for(topics, NOTHING) else _NOTHING_NEW
        return self._variant(items, self.frozen.language_for(language))

    def _variant(self, items: tuple[Item, ...], language: str) -> Variant:
        key = composing.key_of(self.frozen.newsletter, items, language)
        if key not in self._variants:
            make = {"stored": self._stored, "held": self._held, "counted": self._counted}[self.making]
            self._variants[key] = make(key, items, language)
        return self._variants[key]

    def _stored(self, key: str, items: tuple[Item, ...], language: str) -> Variant:
        """Without its text, which the store has: there may be thousands. Raises TemplateError, PreflightError."""
        editions, frozen = self.parts.store.editions, self.frozen
        variant = editions.variant(frozen.edition.id, key)
        if variant is None:
            variant = self._render(items, language)
            if not self.checked.covers(variant):
                self._check(variant)
            variant = editions.add_variant(frozen.edition.id, variant)
        self.checked.add(variant)
        return replace(variant, rendered=_NO_TEXT)

    def _check(self, variant: Variant) -> None:
        frozen = self.frozen
        if why := preflighting.reason(self.parts, frozen.edition, frozen.newsletter, [variant], network=False):
            raise errors.PreflightError(f"a variant of {frozen.edition.key} does not leave: {why}")

    def _held(self, _key: str, items: tuple[Item, ...], language: str) -> Variant:
        """Raises TemplateError."""
        return replace(self._render(items, language), id=len(self._variants) + 1)

    def _counted(self, key: str, items: tuple[Item, ...], language: str) -> Variant:
        number, template = len(self._variants) + 1, self.frozen.newsletter.template
        return Variant(
            id=number, key=key, language=language, template=template, rendered=_NO_TEXT, content_hash="", items=items
        )

    def _render(self, items: tuple[Item, ...], language: str) -> Variant:
        articles = {item.article: self.frozen.articles[item.article] for item in items}
        recipe = replace(self.frozen.recipe, items=items, articles=articles, language=language)
        return keeping.make_also(recipe, self.templates)


@contextmanager
def selection(
    parts: Parts, edition: Edition, first: Variant, making: Making = "stored"
) -> Iterator[delivering.Chooser]:
    """Who gets what of an edition, whose first variant this is. Variants are stored as they are needed; or only `held`
    in memory; or only `counted`, and then not even rendered.

    Of an edition from before it was kept what a variant was made from, everybody gets the first."""
    if not first.recipe:
        yield delivering.to_all(first)
        return
    frozen, checked = freeze(parts, edition, keeping.recipe_of(parts, first)), Checked()
    checked.add(first)
    remembered = Remembered(parts, edition, tuple(frozen.stories))
    with keeping.templates_of(frozen.recipe) as templates:
        yield Selecting(parts, frozen, remembered, templates, making, checked)


def ahead(choose: delivering.Chooser, parts: Parts, edition: Edition, newsletter: Newsletter) -> None:
    """Render the most frequent combinations of what readers chose. Raises TemplateError, PreflightError."""
    if isinstance(choose, Selecting):
        of = newsletter.readership(edition.slot)
        for topics, language, _ in parts.store.audience.combinations(edition.newsletter, of)[:AHEAD]:
            choose.decide(topics, language)


def readers(parts: Parts, edition: Edition, newsletter: Newsletter, first: Variant) -> tuple[int, Mapping[str, int]]:
    """How many would get an edition now, and how many would not, by reason."""
    with selection(parts, edition, first, "counted") as choose:
        return delivering.readers(parts.store, newsletter, edition.slot, choose)


def variant_for(parts: Parts, edition: Edition, first: Variant, person: Candidate) -> Variant:
    """What a reader would get of an edition. Raises NotFound when that is nothing."""
    with selection(parts, edition, first, "held") as choose:
        answer = choose([person])[person.subscriber]
    if isinstance(answer, str):
        raise errors.NotFound(f"{person.email} gets nothing of {edition.key}: {answer}", edition=edition.key)
    return answer
