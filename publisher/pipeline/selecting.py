"""The story, step 4: one message for each reader, with the stories they follow and have not got.

An edition's items are what anybody may get of it, frozen when it was approved. What one reader gets is decided by their
topics, their language and what they were sent before; readers who agree in all of these are a combination, and
combinations that show the same share a variant, which is rendered once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from publisher import compose as composing
from publisher import deliver as delivering
from publisher import errors, memory
from publisher.model import (
    ALERT,
    Article,
    ArticleState,
    Candidate,
    Edition,
    Got,
    Item,
    Label,
    Newsletter,
    Recipe,
    Rendered,
    Revision,
    Variant,
)
from publisher.model.topics import topics_of
from publisher.pipeline import keeping, preflighting
from publisher.pipeline.pictures import hosted
from publisher.pipeline.remembering import history
from publisher.ports import Parts, Templates

#: Ids of readers whose memory is held at once.
WINDOW = 250_000
#: Combinations that are rendered before an edition is planned, so that the last look is at them too.
AHEAD = 200
#: What is remembered of somebody who was sent nothing of an edition's stories.
NOTHING: frozenset[Got] = frozenset()

Making = Literal["stored", "held", "counted"]

_NO_TEXT = Rendered(subject="", html="", text="")
_ALL_GOT = "has got all of it already"
_NOTHING_NEW = "nothing new in their topics"


@dataclass(slots=True)
class Remembered:
    """What readers were sent of an edition's stories, for a window of ids at a time.

    Each reader has the number of a set of what they got; there are as many sets as there are histories, not readers."""

    parts: Parts
    edition: Edition
    articles: Collection[int]
    sets: list[frozenset[Got]] = field(default_factory=lambda: [NOTHING])
    _numbers: dict[frozenset[Got], int] = field(default_factory=lambda: {NOTHING: 0})
    _variants: Mapping[int, frozenset[Got]] = field(default_factory=dict)
    _added: dict[tuple[int, int], int] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)
    _after: int = -1
    _upto: int = -1
    _version: int = -1

    def of(self, people: Sequence[Candidate]) -> Mapping[int, int]:
        """By reader: the number of what they got; who got nothing may be left out. `people` ascend."""
        if not people:
            return {}
        first, last = people[0].subscriber, people[-1].subscriber
        version = self.parts.store.memory.version(self.edition.newsletter, but=self.edition.id)
        if version != self._version or not self._after < first <= last <= self._upto:
            self._load(first - 1, max(last, first - 1 + WINDOW))
            self._version = version
        return self._held

    def _load(self, after: int, upto: int) -> None:
        memory = self.parts.store.memory
        self._variants = memory.variants(self.edition.newsletter, self.articles, but=self.edition.id)
        held: dict[int, int] = {}
        for variant, ids in memory.readers(self._variants, after=after, upto=upto):
            if held.keys().isdisjoint(ids):
                held.update(dict.fromkeys(ids, self._add(0, variant)))
            else:
                for id in ids:
                    held[id] = self._add(held.get(id, 0), variant)
        self._held, self._after, self._upto = held, after, upto

    def _add(self, number: int, variant: int) -> int:
        """The number of a set with what a variant tells."""
        found = self._added.get((number, variant))
        if found is None:
            both = self.sets[number] | self._variants[variant]
            found = self._numbers.setdefault(both, len(self.sets))
            if found == len(self.sets):
                self.sets.append(both)
            self._added[number, variant] = found
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What an edition was approved with: how its first variant was made, and the articles of all its items."""

    edition: Edition
    recipe: Recipe
    articles: Mapping[int, Article]
    about: Mapping[int, Collection[str]]
    stories: Mapping[int, str]  # by article, of all that tell one of its stories
    history: Mapping[tuple[int, int], Revision]
    languages: Collection[str]

    @property
    def newsletter(self) -> Newsletter:
        return self.recipe.newsletter

    def items_for(self, topics: Collection[str], got: frozenset[Got]) -> tuple[Item, ...]:
        """What a reader gets with these topics, who got that of its stories."""
        owed: dict[int, Label | None] = {}
        if got:
            by_story: dict[str, list[Got]] = defaultdict(list)
            for one in got:
                by_story[self.stories[one.article]].append(one)
            urgent = self.edition.cadence == ALERT
            for id, article in self.articles.items():
                if mine := by_story.get(article.story):
                    owed[id] = memory.owed(article, mine, self.history, urgent=urgent)
        return composing.for_reader(
            self.newsletter, self.edition.items, self.articles, self.about, topics=topics, owed=owed
        )

    def language_for(self, wanted: str) -> str:
        """The language of the words around the stories: the reader's where the templates speak it."""
        own = self.newsletter.language
        short = wanted.split("-", maxsplit=1)[0]
        if not wanted or short == own.split("-")[0]:
            return own
        return next((one for one in (wanted, short) if one in self.languages), own)


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
    with ExitStack() as stack:
        frozen = freeze(parts, edition, keeping.recipe_of(parts, first))
        templates = stack.enter_context(keeping.templates_of(frozen.recipe))
        remembered = Remembered(parts, edition, tuple(frozen.stories))
        checked = Checked()
        checked.add(first)
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


def freeze(parts: Parts, edition: Edition, recipe: Recipe) -> Frozen:
    """All that decides who gets what, as it was when the edition was approved."""
    articles = _articles(parts, edition, recipe)
    others = parts.store.stories.of(list(articles.values()))
    tellers: dict[str, list[Article]] = defaultdict(list)
    for one in (*articles.values(), *others):
        tellers[one.story].append(one)
    about = {
        id: frozenset[str]().union(
            topics_of(article),
            *(topics_of(one) for one in tellers[article.story] if one.state is ArticleState.LIVE),
        )
        for id, article in articles.items()
    }
    words = [name.rpartition("/")[2].removesuffix(".po") for name in recipe.templates if name.endswith(".po")]
    return Frozen(
        edition=edition,
        recipe=recipe,
        articles=articles,
        about=about,
        stories={one.id: one.story for one in (*articles.values(), *others)},
        history=history(parts, articles.values(), dict.fromkeys(articles, 1)),
        languages=frozenset((*words, "en")),
    )


def _articles(parts: Parts, edition: Edition, recipe: Recipe) -> Mapping[int, Article]:
    """The articles of all items at the revision that was approved, with the pictures that are mailed."""
    others = [item for item in edition.items if item.article not in recipe.articles]
    there = parts.store.articles.get([item.article for item in others])
    revisions = parts.store.articles.revisions({(item.article, item.revision) for item in others})
    stored = {
        item.article: replace(there[item.article], revision=revisions[item.article, item.revision]) for item in others
    }
    wanted = {item.article for item in edition.items}
    kept = {id: article for id, article in recipe.articles.items() if id in wanted}
    return {**kept, **hosted(parts, others, stored)}
