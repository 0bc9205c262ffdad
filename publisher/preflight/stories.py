"""Stories that must not go: as they stand in the store now, not when the edition was made."""

from __future__ import annotations

from collections.abc import Iterator

from publisher.model import ArticleState, Label, Situation
from publisher.preflight.rules import Seen


def check(situation: Situation) -> Iterator[Seen]:
    for story in situation.stories:
        where = f"“{story.title[:80]}”"
        if story.state is ArticleState.RETRACTED and story.label is not Label.RETRACTION:
            yield Seen("retracted", where, "It was withdrawn after the edition was made")
        elif story.state is ArticleState.LIVE and story.label is Label.RETRACTION:
            yield Seen("restored", where, "It was published again after the edition was made")
        elif story.state is ArticleState.HELD or story.published_at > situation.now:
            yield Seen("embargoed", where, f"It is to be published at {story.published_at:%Y-%m-%d %H:%M} UTC")
