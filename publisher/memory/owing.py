"""What a reader who was sent a story is still to be told of it: by what they were sent, and what it says now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from publisher.memory.stories import added
from publisher.model import (
    ALERT,
    FOR_ALL,
    Article,
    ArticleState,
    Carried,
    Got,
    Label,
    Revision,
    RevisionKind,
    cadence_of,
)

#: A story changed substantially when this share of its text, and so many runs of five words, are new ...
NEW_TEXT: Final = 0.25
LEAST_NEW: Final = 30
#: ... or when its headline has less than this share of its words in common with the old one, and this much is new.
SAME_HEADLINE: Final = 0.5
NEW_BELOW_HEADLINE: Final = 0.1

#: Revisions by (article, number).
History = Mapping[tuple[int, int], Revision]


def owed(article: Article, got: Collection[Got], history: History, *, urgent: bool = False) -> Label | None:
    """The label under which a story comes back to somebody who got these of its revisions; None when there is nothing
    that they do not know. `history` holds the revisions of the article from the first they got to the current one.

    Whoever got the story as another source tells it has it: what changes in this telling is not told to them. Of what
    is `urgent` any change counts: an editor said so of this very revision."""
    mine = [one for one in got if one.article == article.id]
    if not mine:
        return None
    if article.state is ArticleState.RETRACTED:
        return None if any(one.withdrawn for one in mine) else Label.RETRACTION
    known, now = max(one.revision for one in mine), article.revision.number
    since = [history[article.id, number] for number in range(known + 1, now + 1) if (article.id, number) in history]
    if any(revision.kind is RevisionKind.CORRECTION for revision in since):
        return Label.CORRECTION
    before = history.get((article.id, known))
    changed = known < now and (urgent or (before is not None and substantial(before, article.revision)))
    return Label.UPDATED if changed else None


def owed_by_edition(article: Article, carried: Collection[Carried], cadence: str, history: History) -> Label | None:
    """What an edition of a cadence has to tell of an article to those who were sent it; None when nothing, or when an
    earlier edition to the same readers told it, to all of them. What other editions carried counts where these carried
    nothing, and so do alerts, which are not for everybody."""
    to_all = [one for one in carried if cadence_of(one.slot) != ALERT and not one.partly]
    mine = [one for one in to_all if cadence == "" or cadence_of(one.slot) in (cadence, *FOR_ALL)]
    last = max((one.revision for one in mine), default=min(one.revision for one in carried))
    told = any(one.label is Label.RETRACTION for one in mine)
    return owed(article, [Got(article.id, last, told)], history)


def substantial(before: Revision, after: Revision) -> bool:
    """Whether a story says so much else that who read it wants it again."""
    new, all_ = added(before, after)
    if new >= max(LEAST_NEW, NEW_TEXT * all_):
        return True
    return new >= max(1, NEW_BELOW_HEADLINE * all_) and _alike(before.title, after.title) < SAME_HEADLINE


def _alike(title: str, other: str) -> float:
    """The share of words that two headlines have in common, of the longer one."""
    one, two = set(title.casefold().split()), set(other.casefold().split())
    return len(one & two) / max(len(one), len(two), 1)
