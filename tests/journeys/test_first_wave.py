"""A newsletter sends a part of its edition first; how that fares decides about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher import editions, pipeline
from publisher.app import App
from publisher.model import EditionState, EventKind, MailEvent
from tests.people import NOW
from tests.sites import SETTINGS, TestClock, add_readers, addressees, lay_out, mailbox, open_site, run_due

KEY = "daily/daily:2026-11-22"
WAVE = 'slug = "daily"\nfirst_wave = { recipients = 10, wait = "20m" }\n'
READERS = [f"reader{number}@mail.example" for number in range(60)]


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def app(tmp_path: Path, clock: TestClock) -> Iterator[App]:
    """The first wave is out."""
    opened = open_site(lay_out(tmp_path, SETTINGS.replace('slug = "daily"\n', WAVE)), clock)
    add_readers(opened, *READERS)
    run_due(opened)
    clock.move(hours=1)
    run_due(opened)
    yield opened
    opened.close()


def told(app: App, kind: EventKind, many: int) -> None:
    edition = app.parts.store.editions.get(KEY)
    sent = [one for one in app.parts.store.outbox.batches(edition.id) if one.wave == 0]
    places = [(one.key, position) for one in sent for position in range(one.size)][:many]
    events = [
        MailEvent(event_id=f"{kind} {at}", kind=kind, at=NOW, recipient="", batch=key, position=position)
        for at, (key, position) in enumerate(places)
    ]
    app.parts.store.events.keep("maildir", events, at=app.parts.clock.now())


def state(app: App) -> EditionState:
    return app.parts.store.editions.get(KEY).state


def test_the_rest_follows_when_the_first_wave_went_well(app: App, tmp_path: Path, clock: TestClock) -> None:
    assert len(addressees(tmp_path)) == 10
    assert addressees(tmp_path) != sorted(READERS[:10]), "not those who came first"
    clock.move(minutes=19)
    run_due(app)
    assert len(addressees(tmp_path)) == 10
    clock.move(minutes=1)
    run_due(app)
    assert addressees(tmp_path) == sorted(READERS)
    assert state(app) is EditionState.DONE


def test_a_first_wave_that_went_badly_pauses_the_edition_and_an_editor_decides(
    app: App, tmp_path: Path, clock: TestClock
) -> None:
    told(app, EventKind.COMPLAINT, 3)
    run_due(app)
    paused = app.parts.store.editions.get(KEY)
    assert paused.state is EditionState.PAUSED
    assert paused.reason == "of the first wave of 10 messages 3 were complained about"
    clock.move(hours=3)
    run_due(app)
    readers = [mail for mail in mailbox(tmp_path) if "editor@" not in str(mail["To"])]
    assert len(readers) == 10
    alarms = [mail for mail in mailbox(tmp_path) if "editor@" in str(mail["To"])]
    assert any(f"{KEY} is paused" in str(mail["Subject"]) for mail in alarms)

    editions.resume(app.parts.store, KEY)
    run_due(app)
    assert state(app) is EditionState.DONE, "it is judged once"
    mailed = [str(mail["To"]) for mail in mailbox(tmp_path) if "editor@" not in str(mail["To"])]
    assert sorted(mailed) == sorted(READERS)


def test_a_judgement_comes_too_late_for_what_an_editor_has_decided(app: App) -> None:
    assert editions.judge(app.parts.store, KEY, 1, "bad")
    editions.resume(app.parts.store, KEY)
    assert not editions.judge(app.parts.store, KEY, 1, "bad")
    assert state(app) is EditionState.SENDING


def test_pausing_during_the_first_wave_releases_nothing(app: App, tmp_path: Path, clock: TestClock) -> None:
    editions.pause(app.parts.store, KEY, "Aoife Brennan")
    clock.move(hours=1)
    pipeline.judge(app.parts)
    assert app.parts.store.editions.get(KEY).wave == 0
    editions.resume(app.parts.store, KEY)
    told(app, EventKind.HARD_BOUNCE, 5)
    run_due(app)
    assert state(app) is EditionState.PAUSED
    assert len([address for address in addressees(tmp_path) if address in READERS]) == 10


def test_what_was_told_and_not_merged_yet_counts(app: App, clock: TestClock) -> None:
    clock.move(minutes=20)
    told(app, EventKind.BLOCKED, 3)
    pipeline.judge(app.parts)
    assert state(app) is EditionState.PAUSED
