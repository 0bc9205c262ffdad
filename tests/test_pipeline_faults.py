"""The story when things go wrong between two steps: races, undone approvals, settings that lost a part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher import deliver, editions, notices, pipeline, syndicate
from publisher.app import App
from publisher.errors import Conflict, MailerMisconfigured
from publisher.kit import slots
from publisher.model import EditionState, Notice, NoticeState, Rendered
from tests.sites import (
    LANTERNS,
    SETTINGS,
    TestClock,
    add_readers,
    addressees,
    lay_out,
    mailbox,
    open_site,
    run_due,
    write,
)

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
READERS = ("ben@mail.example", "carla@mail.example")
TODAY = "daily/daily:2026-11-22"
NO_WAIT = timedelta(0)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def site(root: Path, clock: TestClock) -> Iterator[Any]:
    opened: list[App] = []

    def open_with(of_newsletter: str = "", settings: str = SETTINGS) -> App:
        lay_out(root, settings.replace('slug = "daily"', f'slug = "daily"\n{of_newsletter}'))
        app = open_site(root, clock)
        add_readers(app, *READERS)
        opened.append(app)
        return app

    yield open_with
    for app in opened:
        app.close()


def to_the_hour(app: App, clock: TestClock) -> list[Exception]:
    run_due(app)
    clock.move(hours=1)
    return run_due(app)


# ---------------------------------------------------------------- approve and undo


def test_an_article_in_two_waiting_editions_goes_out_in_one(site: Any, root: Path, clock: TestClock) -> None:
    app = site('approval = "editor"')
    to_the_hour(app, clock)
    clock.move(days=1)
    run_due(app)
    store, now = app.parts.store, clock.now()
    editions.approve(store, TODAY, "Aoife Brennan", undo=NO_WAIT, now=now)
    with pytest.raises(Conflict, match="anew"):
        editions.approve(store, "daily/daily:2026-11-23", "Aoife Brennan", undo=NO_WAIT, now=now)
    run_due(app)
    assert addressees(root) == sorted(READERS)
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(minutes=10)
    run_due(app)
    newsletter = app.parts.newsletters[0]
    slot = slots.today(newsletter.timetable(), clock.now())
    pipeline.send(app.parts, newsletter, slot, "Aoife Brennan")
    run_due(app)
    texts = [mail.get_body(("plain",)).get_content() for mail in mailbox(root)]  # type: ignore[union-attr]
    assert sum("The ferry returns" in text for text in texts) == 2
    assert sum("Lantern night" in text for text in texts) == 2


def test_work_that_was_queued_before_an_undo_does_not_end_the_new_window(site: Any, clock: TestClock) -> None:
    app = site('undo = "10m"')
    to_the_hour(app, clock)
    editions.undo(app.parts.store, TODAY)
    clock.move(minutes=11)
    editions.approve(app.parts.store, TODAY, "Aoife Brennan", undo=timedelta(minutes=10), now=clock.now())
    assert pipeline.plan(app.parts, TODAY).state is EditionState.APPROVED


def test_what_an_editor_took_back_stays_when_the_template_changes(site: Any, root: Path, clock: TestClock) -> None:
    app = site('undo = "10m"')
    to_the_hour(app, clock)
    editions.undo(app.parts.store, TODAY)
    own = root / "templates" / "digest" / "daily"
    own.mkdir(parents=True)
    (own / "body.html").write_text("<p>{{ lead.title }}</p><a href='{{ unsubscribe_url }}'>leave</a>")
    clock.move(minutes=11)
    run_due(app)
    pipeline.one_pass(app.parts, lambda step, result: None)
    clock.move(minutes=11)
    run_due(app)
    assert [mail for mail in mailbox(root) if "editor@" not in str(mail["To"])] == []
    newsletter = app.parts.newsletters[0]
    slot = slots.today(newsletter.timetable(), clock.now())
    pipeline.send(app.parts, newsletter, slot, "Aoife Brennan")
    clock.move(minutes=11)
    run_due(app)
    assert set(READERS) <= set(addressees(root))


# ---------------------------------------------------------------- alarms and notices


def test_an_edition_in_mid_send_whose_mailer_left_the_settings_is_an_alarm(
    site: Any, root: Path, clock: TestClock
) -> None:
    app = site()
    run_due(app)
    clock.move(hours=1)
    pipeline.compose(app.parts, "daily")
    pipeline.plan(app.parts, TODAY)
    parts = replace(app.parts, mailers={"other": app.parts.mailers["maildir"]})
    clock.move(minutes=31)
    with pytest.raises(MailerMisconfigured, match="add it again"):
        pipeline.work(parts, "deliver", "maildir")
    pipeline.work(parts, "sweep", "")
    (alarm,) = app.parts.store.notices.last(5)
    assert "maildir" in alarm.rendered.text


def test_a_notice_whose_mailer_is_not_there_waits_and_holds_up_nobody(site: Any, root: Path, clock: TestClock) -> None:
    app = site()
    for key, mailer in (("one", "gone"), ("two", "maildir")):
        app.parts.store.notices.add(notice(key, mailer, clock.now()))
    run_due(app)
    assert addressees(root) == ["two@mail.example"]
    clock.move(minutes=5)
    notices.drain(app.parts.store, {"gone": app.parts.mailers["maildir"]}, clock=clock, failed=deliver.note)
    assert addressees(root) == ["one@mail.example", "two@mail.example"]


class Locked:
    """A mailer whose password is wrong."""

    name = "locked"

    def prepare(self, mailing: object) -> object:
        return mailing

    def submit(self, prepared: object) -> object:
        raise MailerMisconfigured("wrong password")


def test_a_notice_is_not_lost_while_somebody_mends_the_mailer(site: Any, root: Path, clock: TestClock) -> None:
    app = site()
    app.parts.store.notices.add(notice("one", "locked", clock.now()))
    notices.drain(app.parts.store, {"locked": Locked()}, clock=clock, failed=deliver.note)  # type: ignore[dict-item]
    assert app.parts.store.notices.last(1)[0].state is NoticeState.READY
    clock.move(minutes=11)
    notices.drain(app.parts.store, {"locked": app.parts.mailers["maildir"]}, clock=clock, failed=deliver.note)
    assert addressees(root) == ["one@mail.example"]


def test_editors_are_told_of_a_mailer_that_refuses_a_confirmation_while_no_edition_is_due(
    site: Any, root: Path, clock: TestClock
) -> None:
    app = site()
    app.parts.store.notices.add(notice("one", "locked", clock.now()))
    parts = replace(app.parts, mailers={**app.parts.mailers, "locked": Locked()})  # type: ignore[dict-item]
    for _ in range(2):
        pipeline.work(parts, "notify", "")
        clock.move(minutes=11)
    assert addressees(root) == ["editor@harbour-gazette.example"], "once, however often it is tried"
    alarm, _ = app.parts.store.notices.last(2)
    assert "locked takes no mail" in alarm.rendered.subject
    assert "Wrong password" in alarm.rendered.text


def test_editors_are_told_once_of_readers_of_whom_nobody_can_tell_whether_they_were_mailed(
    site: Any, root: Path, clock: TestClock
) -> None:
    app = site()
    run_due(app)
    clock.move(hours=1)
    pipeline.compose(app.parts, "daily")
    pipeline.plan(app.parts, TODAY)
    outbox = app.parts.store.outbox
    while claimed := outbox.claim("maildir", "worker", now=clock.now(), lease=timedelta(minutes=2)):
        sent = outbox.intend(claimed, now=clock.now(), payload_hash="x", skipped=frozenset())
        assert sent
        assert outbox.hold(sent, error="nothing tells whether it was sent")
    for _ in range(2):
        run_due(app)
        clock.move(minutes=5)
    assert addressees(root) == ["editor@harbour-gazette.example"], "once, and no reader"
    (alarm,) = app.parts.store.notices.last(5)
    assert TODAY in alarm.rendered.subject
    assert f"publisher deliver resolve {TODAY}" in " ".join(alarm.rendered.text.split())


def notice(key: str, mailer: str, now: datetime) -> Notice:
    return Notice(
        kind="confirmation",
        key=key,
        address=f"{key}@mail.example",
        rendered=Rendered(subject="Confirm", html="<p>Confirm</p>", text="Confirm"),
        sender="daily@harbour-gazette.example",
        mailer=mailer,
        created_at=now,
    )


# ---------------------------------------------------------------- sources and feeds


def test_a_fault_of_ours_while_reading_a_source_does_not_hammer_it(site: Any, clock: TestClock) -> None:
    app = site()
    looks = []

    class Broken:
        def fetch(self, source: object, *, now: datetime, **_: object) -> Iterator[object]:
            looks.append(now)
            raise TypeError("a bug of ours")

    parts = replace(app.parts, fetchers={"folder": Broken()})
    for _ in range(3):
        for work in [work for work in pipeline.due(parts) if work.kind == "collect"]:
            with pytest.raises(TypeError):
                pipeline.work(parts, work.kind, work.key)
        clock.move(seconds=5)
    assert len(looks) == 1
    assert "a bug of ours" in parts.store.sources.all()[0].last_error


def test_a_feed_whose_last_article_moves_elsewhere_is_empty_from_then_on(
    site: Any, root: Path, clock: TestClock
) -> None:
    text = "---\nid: pier\ntitle: The pier\ncategories: [{}]\n---\nIt stands.\n"
    app = site()
    write(root, "pier.md", text.format("Harbour"))
    run_due(app)
    write(root, "pier.md", text.format("Travel"))
    clock.move(minutes=5)
    assert run_due(app) == []
    assert "The pier" not in (root / "feeds" / "section-harbour.rss").read_text()
    assert "The pier" in (root / "feeds" / "section-travel.rss").read_text()


def test_a_process_that_built_an_older_feed_last_leaves_it_due(site: Any, root: Path, clock: TestClock) -> None:
    """Two processes build at once, and the slower one writes its older file over the newer one."""
    app = site()
    pipeline.collect(app.parts, "newsroom")
    slow = next(feed for feed in app.parts.store.feeds.all() if feed.slug == "all")
    old_articles = app.parts.store.feeds.current("all", now=clock.now())
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(minutes=5)
    pipeline.collect(app.parts, "newsroom")
    pipeline.syndicate(app.parts, "all")
    document = syndicate.document(slow, old_articles, site=app.parts.site)
    syndicate.publish(document, app.parts.formats, app.parts.folder, known=lambda ids: ids)
    app.parts.store.feeds.built("all", slow.wanted, at=clock.now(), error="")
    run_due(app)
    assert "Lantern night" in (root / "feeds" / "all.rss").read_text()
    assert app.parts.store.feeds.due() == ()


def test_ids_in_feeds_are_the_same_when_a_renamed_source_is_collected_anew(root: Path, clock: TestClock) -> None:
    def ids(site: Path, settings: str) -> list[str]:
        app = open_site(lay_out(site, settings), clock)
        run_due(app)
        found = [article.entry_id for article in app.parts.store.articles.each()]
        app.close()
        return found

    renamed = SETTINGS.replace('slug = "newsroom"', 'slug = "harbour-desk"\nwas = ["newsroom"]')
    assert ids(root, SETTINGS) == ids(root.with_name("again"), renamed)
