"""What a reader who was sent a story is still to be told of it: by what they were sent, and what it says now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
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
    withdrawn = max(mine, key=lambda one: (one.turn, one.withdrawn)).withdrawn
    if article.state is ArticleState.RETRACTED:
        return None if withdrawn else Label.RETRACTION
    stories = [one for one in mine if not one.withdrawn] or mine
    known, now = max(one.revision for one in stories), article.revision.number
    before = history.get((article.id, known))
    since = [history[article.id, number] for number in range(known + 1, now + 1) if (article.id, number) in history]
    if any(_corrects(revision, before, article.revision) for revision in since):
        return Label.CORRECTION
    if withdrawn:
        return Label.RESTORED
    changed = known < now and (urgent or (before is not None and substantial(before, article.revision)))
    return Label.UPDATED if changed else None


def _corrects(revision: Revision, before: Revision | None, now: Revision) -> bool:
    """Whether it corrects what somebody was sent `before`, and was not undone: what says that again by now is right."""
    if revision.kind is not RevisionKind.CORRECTION:
        return False
    undone = before is not None and now.says_the_same(before) and not revision.says_the_same(before)
    return not undone


def owed_by_edition(article: Article, carried: Sequence[Carried], cadence: str, history: History) -> Label | None:
    """What an edition of a cadence has to tell of an article to those who were sent it; None when nothing, or when an
    earlier edition to the same readers told it, to all of them. What other editions carried counts where these carried
    nothing, and so do alerts, which are not for everybody."""
    to_all = [one for one in carried if cadence_of(one.slot) != ALERT]
    mine = [one for one in to_all if cadence == "" or cadence_of(one.slot) in (cadence, *FOR_ALL)]
    whole = [one for one in mine if not one.partly]
    stories = [one.revision for one in whole if one.label is not Label.RETRACTION]
    known = Got(article.id, max(stories, default=min(one.revision for one in carried)), turn=-1)
    if article.state is ArticleState.RETRACTED:
        told = whole[-1:]
    else:  # whoever was told that it is withdrawn, and be it only some, was not told the story again since
        told = list(takewhile(lambda one: one.partly or one.label is Label.RETRACTION, reversed(mine or carried)))
    withdrawn = any(one.label is Label.RETRACTION for one in told)
    return owed(article, [known, *([Got(article.id, known.revision, True)] if withdrawn else [])], history)


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
