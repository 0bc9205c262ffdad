"""What is urgent: one story that overtakes digests, by rule and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest

from publisher import errors, pipeline
from publisher.app import App
from publisher.model import Article, MailPermission, Selection
from tests.people import NOW
from tests.pipeline.newsroom import Newsroom, open_newsroom, story
from tests.pipeline.test_cadences import with_settings
from tests.sites import TestClock, add_readers, addressees, mailbox, run_due

URGENT = Selection(tags=("breaking",))


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def opened(tmp_path: Path, clock: TestClock) -> Iterator[tuple[App, Newsroom]]:
    app, newsroom = open_newsroom(tmp_path, clock)
    add_readers(app, "one@reader.example", "two@reader.example")
    yield app, newsroom
    app.close()


def publish(app: App, newsroom: Newsroom, clock: TestClock, title: str, **changes: object) -> Article:
    newsroom.window("newsroom", story(title, published_at=clock.now(), **changes))
    pipeline.collect(app.parts, "newsroom")
    return next(one for one in app.parts.store.articles.each() if one.revision.title == title)


def slots_of(app: App) -> list[str]:
    return [one.slot for one in reversed(app.parts.store.editions.newest(50))]


def subjects(root: Path) -> set[str]:
    return {str(message["Subject"]) for message in mailbox(root) if "editor@" not in str(message["To"])}


def send(app: App, article: Article) -> None:
    newsletter = app.parts.newsletters[0]
    pipeline.send(app.parts, newsletter, pipeline.urgent(app.parts, article), "Aoife Brennan")
    run_due(app)


def test_what_a_rule_calls_urgent_leaves_at_once_and_once(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, alerts=URGENT)
    publish(app, newsroom, clock, "Bridge reopens")
    flood = publish(app, newsroom, clock, "Flood on the quay", tags=("Breaking",))
    assert not run_due(app)
    assert slots_of(app) == [f"alert:{flood.id}:1"]
    assert subjects(tmp_path) == {"Flood on the quay"}
    assert len(mailbox(tmp_path)) == 2
    clock.move(minutes=5)
    publish(app, newsroom, clock, "Flood on the quay", tags=("Breaking",), standfirst="The water is falling.")
    assert not run_due(app)
    assert slots_of(app) == [f"alert:{flood.id}:1"], "a change is no new alarm"


def test_a_rule_that_comes_true_later_repeats_the_story_to_nobody_who_had_it(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, alerts=URGENT)
    publish(app, newsroom, clock, "Flood on the quay")
    clock.move(hours=1)
    assert not run_due(app)  # the digest of the day
    assert len(mailbox(tmp_path)) == 2
    add_readers(app, "late@reader.example")
    clock.move(hours=1)
    flood = publish(app, newsroom, clock, "Flood on the quay", tags=("breaking",))
    assert not run_due(app)
    assert slots_of(app)[-1] == f"alert:{flood.id}:2"
    everybody = ["late@reader.example", "one@reader.example", "two@reader.example"]
    assert addressees(tmp_path) == everybody, "the same words are sent to nobody twice"


def test_an_alert_overtakes_a_digest_that_waits(opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path) -> None:
    app, newsroom = opened
    publish(app, newsroom, clock, "Bridge reopens")
    clock.move(hours=1)
    for kind in ("compose", "plan"):  # the digest is planned, and none of it is handed over
        for work in [one for one in pipeline.due(app.parts) if one.kind == kind]:
            pipeline.work(app.parts, work.kind, work.key)
    flood = publish(app, newsroom, clock, "Flood on the quay")
    slot = pipeline.urgent(app.parts, flood)
    sent = pipeline.send(app.parts, app.parts.newsletters[0], slot, "Aoife Brennan")
    pipeline.plan(app.parts, sent.key)
    batch = app.parts.store.outbox.claim("maildir", "worker", now=clock.now(), lease=app.parts.newsletters[0].late)
    assert batch is not None
    assert batch.edition == sent.id


def test_by_hand_a_story_that_changed_may_be_urgent_again_but_not_the_same_text(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    flood = publish(app, newsroom, clock, "Flood on the quay")
    send(app, flood)
    send(app, flood)
    assert len(mailbox(tmp_path)) == 2
    clock.move(minutes=30)
    publish(app, newsroom, clock, "Flood on the quay", standfirst="The water is falling.")
    send(app, app.parts.store.articles.get([flood.id])[flood.id])
    assert slots_of(app) == [f"alert:{flood.id}:1", f"alert:{flood.id}:2"]


def test_only_an_editor_wakes_readers_in_quiet_hours(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, alerts=URGENT, quiet=(time(22), time(7)))
    clock.move(hours=17)  # 23:00
    flood = publish(app, newsroom, clock, "Flood on the quay", tags=("breaking",))
    fire = publish(app, newsroom, clock, "Fire in the market")
    run_due(app)
    assert subjects(tmp_path) == set()
    send(app, fire)
    assert subjects(tmp_path) == {"Fire in the market"}
    clock.move(hours=8)
    run_due(app)
    assert "Flood on the quay" in subjects(tmp_path)
    assert f"alert:{flood.id}:1" in slots_of(app)


def test_what_may_not_be_mailed_is_not_urgent_either(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    flood = publish(app, newsroom, clock, "Flood on the quay")
    with pytest.raises(errors.Conflict, match="kept out of mail"):
        pipeline.urgent(app.parts, replace(flood, mail=MailPermission.EXCLUDED))
    gone = pipeline.retract(app.parts, flood, "It was a drill.", "Aoife Brennan")
    with pytest.raises(errors.Conflict, match="retracted"):
        pipeline.urgent(app.parts, gone)


def test_who_got_the_alert_does_not_get_the_story_again_in_the_digest(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    flood = publish(app, newsroom, clock, "Flood on the quay")
    send(app, flood)
    add_readers(app, "late@reader.example")  # who was not there yet
    publish(app, newsroom, clock, "Bridge reopens")
    clock.move(hours=1)
    assert not run_due(app)
    got: dict[str, list[str]] = {}
    for mail in mailbox(tmp_path):
        body = mail.get_body(("plain",))
        assert body is not None
        got.setdefault(str(mail["To"]), []).append(body.get_content())
    assert {reader: sum("Flood on the quay" in text for text in texts) for reader, texts in got.items()} == {
        "one@reader.example": 1,
        "two@reader.example": 1,
        "late@reader.example": 1,
    }


def test_an_alert_that_nobody_approves_is_an_alarm(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, alerts=URGENT, approval="editor")
    flood = publish(app, newsroom, clock, "Flood on the quay", tags=("breaking",))
    run_due(app)
    clock.move(minutes=31)
    run_due(app)
    alarms = {str(mail["Subject"]) for mail in mailbox(tmp_path) if "editor@" in str(mail["To"])}
    assert alarms == {f"The Harbour Gazette: daily/alert:{flood.id}:1 has not gone out"}
