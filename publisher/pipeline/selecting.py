"""The story, step 4: one message for each reader, with the stories they follow and have not got.

An edition's items are what anybody may get of it, frozen when it was approved. What one reader gets is decided by their
topics, their language and what they were sent before; readers who agree in all of these are a combination, and
combinations that show the same share a variant, which is rendered once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from publisher import compose as composing
from publisher import deliver as delivering
from publisher import errors
from publisher.model import Candidate, Edition, Item, Newsletter, Rendered, Standing, Variant
from publisher.pipeline import keeping, preflighting
from publisher.pipeline.freezing import Frozen, freeze
from publisher.pipeline.remembering import NOTHING, Remembered
from publisher.ports import Parts

#: Combinations that are rendered before an edition is planned, so that the last look is at them too; and subscribers of
#: whom it is counted which are frequent, at most.
AHEAD, COUNTED = 200, 100_000
#: Variants that are rendered and then stored together, at most.
TOGETHER = 20
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


#: What decides what a reader gets: topics, language, and the number of the set of what they were sent before.
Combination = tuple[tuple[str, ...], str, int]
#: What a variant shows, and in which language.
Shown = tuple[tuple[Item, ...], str]


@dataclass(slots=True)
class Selecting:
    """A chooser (see `deliver.Chooser`) that renders what it meets for the first time."""

    parts: Parts
    frozen: Frozen
    remembered: Remembered
    press: keeping.Press
    making: Making
    checked: Checked
    _known: dict[Combination, Variant | str] = field(default_factory=dict)
    _variants: dict[str, Variant] = field(default_factory=dict)

    def __call__(self, people: Sequence[tuple[int, Standing]]) -> Sequence[Variant | str]:
        if not people:
            return []
        number = self.remembered.of(people[0][0], people[-1][0]).get
        met = [(standing, number(subscriber, 0)) for subscriber, standing in people]
        combinations = {one: (one[0].topics, one[0].language, one[1]) for one in dict.fromkeys(met)}
        self.decide(one for one in dict.fromkeys(combinations.values()) if one not in self._known)
        answers = {one: self._known[combination] for one, combination in combinations.items()}
        return [answers[one] for one in met]

    @property
    def combinations(self) -> int:
        """How many were met: of topics, language and memory."""
        return len(self._known)

    @property
    def variants(self) -> int:
        """How many they share."""
        return len(self._variants)

    def decide(self, combinations: Iterable[Combination]) -> None:
        """Settle what readers of these combinations get, or why not; what is new is made a few at a time."""
        keys: dict[Combination, str] = {}
        due: dict[str, Shown] = {}
        for combination in combinations:
            shown = self._shown(*combination)
            if isinstance(shown, str):
                self._known[combination] = shown
                continue
            key = keys[combination] = composing.key_of(self.frozen.newsletter, *shown)
            if key not in self._variants:
                due[key] = shown
        make = {"stored": self._stored, "held": self._held, "counted": self._counted}[self.making]
        waiting = list(due.items())
        for start in range(0, len(waiting), TOGETHER):
            self._variants |= make(dict(waiting[start : start + TOGETHER]))
        self._known |= {combination: self._variants[key] for combination, key in keys.items()}

    def _shown(self, topics: tuple[str, ...], language: str, number: int) -> Shown | str:
        got = self.remembered.sets[number]
        if items := self.frozen.items_for(topics, got):
            return items, self.frozen.language_for(language)
        return _ALL_GOT if got and self.frozen.items_for(topics, NOTHING) else _NOTHING_NEW

    def _stored(self, due: Mapping[str, Shown]) -> dict[str, Variant]:
        """Without their texts, which the store has: there may be thousands. Raises TemplateError, PreflightError."""
        editions, edition = self.parts.store.editions, self.frozen.edition
        there, made = editions.variants_by_key(edition.id, due.keys()), list[Variant]()
        for key, shown in due.items():
            variant = there.get(key)
            if variant is None:
                variant = self.press.make(*shown)
                made.append(variant)
                if not self.checked.covers(variant):
                    self._check(variant)
            self.checked.add(variant)
        stored = editions.add_variants(edition.id, made) if made else ()
        return {one.key: replace(one, rendered=_NO_TEXT) for one in (*there.values(), *stored)}

    def _check(self, variant: Variant) -> None:
        frozen = self.frozen
        if why := preflighting.reason(self.parts, frozen.edition, frozen.newsletter, [variant], network=False):
            raise errors.PreflightError(f"a variant of {frozen.edition.key} does not leave: {why}")

    def _held(self, due: Mapping[str, Shown]) -> dict[str, Variant]:
        """Raises TemplateError."""
        first = len(self._variants) + 1
        return {
            key: replace(self.press.make(*shown), id=number) for number, (key, shown) in enumerate(due.items(), first)
        }

    def _counted(self, due: Mapping[str, Shown]) -> dict[str, Variant]:
        return {
            key: Variant(
                id=number,
                key=key,
                language=language,
                template=self.frozen.newsletter.template,
                rendered=_NO_TEXT,
                content_hash="",
                items=items,
            )
            for number, (key, (items, language)) in enumerate(due.items(), len(self._variants) + 1)
        }


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
        press = keeping.Press(replace(frozen.recipe, articles=frozen.articles), templates)
        yield Selecting(parts, frozen, remembered, press, making, checked)


def ahead(choose: delivering.Chooser, parts: Parts, edition: Edition, newsletter: Newsletter) -> None:
    """Render the most frequent combinations of what readers chose. Raises TemplateError, PreflightError."""
    if isinstance(choose, Selecting):
        of = newsletter.readership(edition.slot)
        every = 1 + parts.store.audience.largest_id() // COUNTED
        frequent = parts.store.audience.combinations(edition.newsletter, of, every=every)[:AHEAD]
        choose.decide([(topics, language, 0) for topics, language, _ in frequent])


def readers(parts: Parts, edition: Edition, newsletter: Newsletter, first: Variant) -> tuple[int, Mapping[str, int]]:
    """How many would get an edition now, and how many would not, by reason."""
    with selection(parts, edition, first, "counted") as choose:
        return delivering.readers(parts.store, newsletter, edition.slot, choose)


def variant_for(parts: Parts, edition: Edition, first: Variant, person: Candidate) -> Variant:
    """What a reader would get of an edition. Raises NotFound when that is nothing."""
    with selection(parts, edition, first, "held") as choose:
        [answer] = choose([(person.subscriber, person.standing)])
    if isinstance(answer, str):
        raise errors.NotFound(f"{person.email} gets nothing of {edition.key}: {answer}", edition=edition.key)
    return answer
