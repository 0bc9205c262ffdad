"""What an editor says about an article goes before what its source says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from publisher.collect.accepting import state
from publisher.collect.cleaning import NOTE, line
from publisher.errors import Conflict
from publisher.model import Article, ArticleState, MailPermission, RevisionKind


def corrected(article: Article, note: str, *, now: datetime) -> Article:
    """The article with one more revision, of equal content, that says what was corrected.

    It has the content of the one before: whoever got other content got the wrong one. Raises Conflict for a
    retracted article, and without words.
    """
    words = line(note, NOTE)
    if not words:
        raise Conflict("A correction needs words for its readers: what was wrong, and what is right.")
    if article.state is ArticleState.RETRACTED:
        raise Conflict(f"“{article.revision.title}” is retracted; restore it before it is corrected.")
    old = article.revision
    new = replace(old, number=old.number + 1, kind=RevisionKind.CORRECTION, note=words, updated_at=now)
    return replace(article, revision=replace(new, updated_at=max(now, old.published_at)))


def retracted(article: Article, note: str, by: str, *, now: datetime) -> Article:
    """The article, withdrawn by an editor until one restores it, whatever its source lists. `note` is for readers.

    Raises Conflict when an editor has retracted it already.
    """
    if article.retracted_by:
        raise Conflict(f"“{article.revision.title}” has been retracted by {article.retracted_by} already.")
    return replace(
        article,
        state=ArticleState.RETRACTED,
        retracted_at=article.retracted_at or now,
        retracted_by=by,
        retraction_note=line(note, NOTE),
    )


def restored(article: Article, *, now: datetime) -> Article:
    """The article, live again, or held until its time. Raises Conflict when it is not retracted."""
    if article.state is not ArticleState.RETRACTED:
        raise Conflict(f"“{article.revision.title}” is not retracted.")
    return replace(
        article,
        state=state(article.revision.published_at, now),
        retracted_at=None,
        retracted_by="",
        retraction_note="",
        missing_looks=0,
        missed_at=None,
    )


def mailed(article: Article, allowed: bool, *, now: datetime) -> Article:
    """The article with an editor's word on whether it may be mailed; allowed, it is new from now on."""
    return replace(article, mail=MailPermission.ALLOWED if allowed else MailPermission.EXCLUDED, mail_at=now)
