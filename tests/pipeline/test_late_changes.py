"""Stories that change after their edition was made: who was not mailed yet gets them as they are by then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from publisher import editions, errors, pipeline
from publisher.app import App
from publisher.errors import SourceUnavailable
from publisher.model import Edition, EditionState, FetchedArticle
from tests.people import NOW
from tests.pipeline.newsroom import Newsroom, open_newsroom, story
from tests.pipeline.test_cadences import with_settings
from tests.sites import TestClock, add_readers, mailbox, run_due

READERS = [f"reader{number}@reader.example" for number in range(6)]


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def opened(tmp_path: Path, clock: TestClock) -> Iterator[tuple[App, Newsroom]]:
    app, newsroom = open_newsroom(tmp_path, clock)
    add_readers(app, *READERS)
    newsroom.lists("newsroom", flood(), bridge())
    pipeline.collect(app.parts, "newsroom")
    clock.move(hours=1)
    yield app, newsroom
    app.close()


def bridge(**changes: object) -> FetchedArticle:
    return replace(story("Bridge reopens", published_at=NOW), **changes)  # type: ignore[arg-type]


def flood(**changes: object) -> FetchedArticle:
    return replace(story("Flood on the quay", published_at=NOW), **changes)  # type: ignore[arg-type]


def approved(app: App) -> Edition:
    """The morning's edition, which nobody has planned."""
    return pipeline.compose(app.parts, "daily") or pytest.fail("nothing was composed")


def texts(root: Path, word: str) -> int:
    """How many messages to readers hold a word."""
    mails = [mail for mail in mailbox(root) if "reader" in str(mail["To"])]
    return sum(word in mail.get_body(("plain",)).get_content() for mail in mails)  # type: ignore[union-attr]


def started(app: App, *, calls: int) -> Edition:
    """The morning's edition, planned in calls of two readers, of which so many are handed over."""
    edition = approved(app)
    mailer = app.parts.mailers["maildir"]
    mailer.capability = replace(mailer.capability, batch=2)  # type: ignore[misc]
    pipeline.plan(app.parts, edition.key)
    for _ in range(calls):
        hand_over(app)
    return app.parts.store.editions.get(edition.key)


def hand_over(app: App) -> None:
    """One batch: claimed, intended and accepted."""
    outbox, now, newsletter = app.parts.store.outbox, app.parts.clock.now(), app.parts.newsletters[0]
    batch = outbox.claim("maildir", "worker", now=now, lease=newsletter.late)
    assert batch is not None
    assert outbox.intend(batch, now=now, payload_hash="", skipped=frozenset()) is not None


def told(app: App, edition: Edition) -> list[set[tuple[int, int]]]:
    """By batch: the (article, revision) pairs that its members get."""
    variants = {one.id: one for one in app.parts.store.editions.variants(edition.id)}
    return [
        {(item.article, item.revision) for run in batch.runs for item in variants[run.variant].items}
        for batch in app.parts.store.outbox.batches(edition.id)
    ]


# ---------------------------------------------------------------- before anything left


def test_what_its_source_says_at_the_last_moment_is_what_leaves(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    edition = approved(app)
    newsroom.lists("newsroom", flood(standfirst="The water is falling."), bridge())
    assert not run_due(app)
    assert texts(tmp_path, "The water is falling.") == len(READERS)
    left = app.parts.store.editions.get(edition.key)
    assert left.approved_hash != edition.approved_hash
    assert left.approved_hash == editions.approval_hash(left, app.parts.store.editions.variants(left.id))


def test_what_was_unpublished_at_the_last_moment_is_left_out(opened: tuple[App, Newsroom], tmp_path: Path) -> None:
    app, newsroom = opened
    approved(app)
    newsroom.lists("newsroom", bridge())
    assert not run_due(app)
    assert (texts(tmp_path, "Bridge reopens"), texts(tmp_path, "Flood on the quay")) == (len(READERS), 0)


def test_sources_are_asked_by_their_own_ids_whatever_articles_are_known_by(tmp_path: Path, clock: TestClock) -> None:
    app, newsroom = open_newsroom(tmp_path, clock)
    sources = tuple(replace(one, identity="guid") for one in app.parts.sources)
    app = replace(app, parts=replace(app.parts, sources=sources))
    add_readers(app, *READERS)
    newsroom.lists("newsroom", flood(guid="g 1"), bridge(guid="g 2"))
    pipeline.collect(app.parts, "newsroom")
    clock.move(hours=1)
    approved(app)
    newsroom.lists("newsroom", bridge(guid="g 2"))
    assert not run_due(app)
    assert (texts(tmp_path, "Bridge reopens"), texts(tmp_path, "Flood on the quay")) == (len(READERS), 0)
    app.close()


def test_or_it_holds_the_edition_until_an_editor_sends_it(opened: tuple[App, Newsroom], tmp_path: Path) -> None:
    app, newsroom = opened
    app = with_settings(app, when_unpublished="hold")
    edition = approved(app)
    newsroom.lists("newsroom", bridge())
    with pytest.raises(errors.PreflightError, match="Flood on the quay” is not published any more"):
        pipeline.plan(app.parts, edition.key)
    held = app.parts.store.editions.get(edition.key)
    assert (held.state, len(held.items)) == (EditionState.WAITING, 1)
    editions.approve(app.parts.store, held.key, "Aoife Brennan", undo=app.parts.newsletters[0].undo, now=NOW)
    run_due(app)
    assert texts(tmp_path, "Bridge reopens") == len(READERS)


def test_an_edition_of_which_nothing_is_left_does_not_leave(opened: tuple[App, Newsroom], tmp_path: Path) -> None:
    app, newsroom = opened
    edition = approved(app)
    newsroom.lists("newsroom")
    with pytest.raises(errors.PreflightError, match="nothing is left of it"):
        pipeline.plan(app.parts, edition.key)
    assert app.parts.store.editions.get(edition.key).state is EditionState.SKIPPED
    assert texts(tmp_path, "") == 0


@pytest.mark.parametrize(("rule", "state"), [("go", EditionState.DONE), ("hold", EditionState.WAITING)])
def test_what_an_editor_approved_and_was_changed_goes_or_waits_by_setting(
    opened: tuple[App, Newsroom], clock: TestClock, rule: str, state: EditionState
) -> None:
    app, newsroom = opened
    app = with_settings(app, approval="editor", when_changed=rule)
    edition = approved(app)
    editions.approve(app.parts.store, edition.key, "Aoife", undo=app.parts.newsletters[0].undo, now=clock.now())
    newsroom.lists("newsroom", flood(title="Flood on the quay: two rescued"), bridge())
    failed = run_due(app)
    assert [type(error) for error in failed] == ([] if rule == "go" else [errors.PreflightError])
    assert app.parts.store.editions.get(edition.key).state is state


def test_a_source_that_does_not_answer_holds_nothing_up(opened: tuple[App, Newsroom], tmp_path: Path) -> None:
    app, newsroom = opened
    approved(app)
    newsroom.answers["newsroom"] = SourceUnavailable("it is down")
    run_due(app)
    assert texts(tmp_path, "Flood on the quay") == len(READERS)


# ---------------------------------------------------------------- while it is being sent


def test_readers_who_were_not_mailed_yet_get_what_was_changed_and_the_others_stay_as_they_were(
    opened: tuple[App, Newsroom],
) -> None:
    app, newsroom = opened
    edition = started(app, calls=1)
    ids = {one.revision.title: one.id for one in app.parts.store.articles.each()}
    bridge_id, flood_id = ids["Bridge reopens"], ids["Flood on the quay"]
    newsroom.lists("newsroom", flood(title="Flood on the quay: two rescued"), bridge())
    pipeline.collect(app.parts, "newsroom")
    pipeline.sweep(app.parts)
    before, after = {(bridge_id, 1), (flood_id, 1)}, {(bridge_id, 1), (flood_id, 2)}
    assert told(app, edition) == [before, after, after]
    pipeline.sweep(app.parts)
    assert len(app.parts.store.editions.variants(edition.id)) == 2, "made once"
    (old, new) = app.parts.store.editions.variants(edition.id)
    assert old.superseded_by == new.id
    assert app.parts.store.editions.shares(edition.id) == {old.id: 2, new.id: 4}
    reasons = {one.article: (one.included, one.rule) for one in app.parts.store.decisions.of_edition(edition.id)}
    assert reasons == {
        bridge_id: (True, "new since the last edition"),
        flood_id: (True, "changed while it was sent"),
    }


def test_what_was_withdrawn_reaches_nobody_else(opened: tuple[App, Newsroom]) -> None:
    app, _ = opened
    edition = started(app, calls=1)
    gone = next(one for one in app.parts.store.articles.each() if one.revision.title == "Flood on the quay")
    pipeline.retract(app.parts, gone, "It was a drill.", "Aoife Brennan")
    pipeline.sweep(app.parts)
    assert [len(pairs) for pairs in told(app, edition)] == [2, 1, 1]


def test_sources_are_asked_again_before_readers_whose_hour_comes_later(
    opened: tuple[App, Newsroom], clock: TestClock
) -> None:
    app, newsroom = opened
    edition = started(app, calls=1)
    newsroom.lists("newsroom", bridge())  # taken down, and nobody collects
    pipeline.sweep(app.parts)
    assert [len(pairs) for pairs in told(app, edition)] == [2, 2, 2], "it was asked a moment ago"
    clock.move(minutes=10)
    pipeline.sweep(app.parts)
    assert [len(pairs) for pairs in told(app, edition)] == [2, 1, 1]


def test_a_batch_that_a_worker_holds_is_left_to_it_and_changed_if_it_comes_back(opened: tuple[App, Newsroom]) -> None:
    app, newsroom = opened
    edition = started(app, calls=0)
    outbox, now = app.parts.store.outbox, app.parts.clock.now()
    claimed = outbox.claim("maildir", "worker", now=now, lease=app.parts.newsletters[0].late)
    assert claimed is not None
    newsroom.lists("newsroom", flood(title="Flood on the quay: two rescued"), bridge())
    pipeline.collect(app.parts, "newsroom")
    pipeline.sweep(app.parts)
    assert outbox.batch(claimed.id).runs == claimed.runs
    outbox.back(claimed, next_at=now, error="429")
    pipeline.sweep(app.parts)
    assert outbox.batch(claimed.id).runs != claimed.runs
    assert len({frozenset(pairs) for pairs in told(app, edition)}) == 1


def test_where_all_of_it_is_withdrawn_nobody_else_is_mailed_and_the_edition_ends_by_itself(
    opened: tuple[App, Newsroom],
) -> None:
    app, _ = opened
    edition = started(app, calls=1)
    for one in list(app.parts.store.articles.each()):
        pipeline.retract(app.parts, one, "It was a drill.", "Aoife Brennan")
    pipeline.sweep(app.parts)
    assert app.parts.store.editions.get(edition.key).state is EditionState.SENDING
    pipeline.deliver(app.parts, "maildir")
    sums = app.parts.store.outbox.sums(edition.id)
    assert (sums.planned, sums.skipped, sums.accepted + sums.rejected) == (len(READERS), 4, 0)
    assert [len(pairs) for pairs in told(app, edition)] == [2, 2, 2], "what each was planned to get stays on record"
