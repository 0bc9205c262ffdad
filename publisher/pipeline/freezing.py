"""The story, step 4: an edition as it was approved, and what of it a reader gets with these topics and this memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from publisher import compose as composing
from publisher import editions, memory
from publisher.model import ALERT, Article, ArticleState, Edition, Got, Item, Label, Newsletter, Recipe, Revision
from publisher.model.topics import topics_of
from publisher.pipeline.pictures import hosted
from publisher.pipeline.remembering import history
from publisher.ports import Parts


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
            urgent = self.edition.cadence == ALERT and self.edition.approved_by != editions.AUTOMATIC
            for id, article in self.articles.items():
                if mine := by_story.get(article.story):
                    owed[id] = memory.owed(article, mine, self.history, urgent=urgent)
        return composing.for_reader(
            self.newsletter, self.edition.items, self.articles, self.about, topics=topics, owed=owed
        )

    def language_for(self, wanted: str) -> str:
        """The language of the words around the stories: the reader's where the templates speak it."""
        own, short = self.newsletter.language, wanted.split("-", maxsplit=1)[0]
        if not wanted or short.casefold() == own.split("-")[0].casefold():
            return own
        spoken = {one.casefold(): one for one in self.languages}
        return next((spoken[tag.casefold()] for tag in (wanted, short) if tag.casefold() in spoken), own)


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
