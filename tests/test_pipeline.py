"""The story, on a whole site: what is due is done, once, and a reason is kept for everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher import editions, pipeline
from publisher.app import App
from publisher.errors import MailerMisconfigured, SourceInvalid, TemplateError
from publisher.kit import slots
from publisher.model import ArticleState, EditionState, EventKind, MailEvent, SubscriptionStatus
from tests.sites import (
    FERRY,
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

#: An hour before the daily edition is due.
EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
READERS = ("ben@mail.example", "carla@mail.example")


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "site")


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(root, clock)
    add_readers(opened, *READERS)
    yield opened
    opened.close()


def to_the_hour(app: App, clock: TestClock) -> list[Exception]:
    run_due(app)
    clock.move(hours=1)
    return run_due(app)


def feed(root: Path, name: str) -> str:
    return (root / "feeds" / name).read_text()


# ---------------------------------------------------------------- articles into feeds


def test_an_article_is_in_its_feeds_as_soon_as_it_was_collected(app: App, root: Path) -> None:
    run_due(app)
    for name in ("all.rss", "all.atom", "all.json", "section-news.rss"):
        assert "The ferry returns after forty years" in feed(root, name)


def test_looking_again_changes_nothing(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (root / "feeds").iterdir()}
    clock.move(minutes=30)
    tally = pipeline.collect(app.parts, "newsroom")
    run_due(app)
    assert (tally.new, tally.changed, tally.unchanged) == (0, 0, 1)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (root / "feeds").iterdir()} == before


def test_a_changed_article_is_a_new_revision_under_the_same_id(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    article = next(app.parts.store.articles.each())
    write(root, "news/ferry.txt", FERRY.replace("on Friday", "on Saturday"))
    clock.move(minutes=5)
    run_due(app)
    changed = next(app.parts.store.articles.each())
    assert changed.revision.number == 2
    assert changed.entry_id == article.entry_id
    assert "on Saturday" in feed(root, "all.atom")
    assert article.entry_id in feed(root, "all.atom")


def test_an_article_that_changes_its_category_moves_to_the_other_feed(tmp_path: Path, clock: TestClock) -> None:
    text = "---\nid: ferry\ntitle: The ferry\ncategories: [{}]\n---\nIt sails again.\n"
    root = lay_out(tmp_path / "site", articles={"ferry.md": text.format("Harbour"), "other.md": text.format("Harbour")})
    write(root, "other.md", "---\nid: pier\ntitle: The pier\ncategories: [Harbour]\n---\nIt stands.\n")
    app = open_site(root, clock)
    run_due(app)
    write(root, "ferry.md", text.format("Travel"))
    clock.move(minutes=5)
    run_due(app)
    assert "The ferry" not in feed(root, "section-harbour.rss")
    assert "The ferry" in feed(root, "section-travel.rss")
    app.close()


def test_an_article_of_tomorrow_is_held_until_its_time(tmp_path: Path, clock: TestClock) -> None:
    text = "---\ntitle: Lantern night\ndate: 2026-11-22T09:00:00Z\n---\nPaper fish.\n"
    root = lay_out(tmp_path / "site", articles={"lanterns.md": text, "ferry.txt": FERRY})
    app = open_site(root, clock)
    run_due(app)
    assert app.parts.store.articles.count()[ArticleState.HELD] == 1
    assert "Lantern night" not in feed(root, "all.rss")
    clock.move(hours=3, minutes=1)
    run_due(app)
    assert "Lantern night" in feed(root, "all.rss")
    app.close()


def test_feeds_are_the_same_after_a_rebuild_from_nothing(
    app: App, root: Path, clock: TestClock, tmp_path: Path
) -> None:
    run_due(app)
    clock.move(days=3)
    again = lay_out(tmp_path / "again")
    other = open_site(again, TestClock(EARLY))
    run_due(other)
    for name in ("all.rss", "all.atom", "all.json"):
        assert feed(again, name) == feed(root, name)
    other.close()


def test_a_source_that_fails_keeps_what_it_gave_and_is_asked_less_often(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    (root / "articles").rename(root / "elsewhere")
    clock.move(minutes=2)
    errors = run_due(app, rounds=1)
    assert [type(error) for error in errors] == [SourceInvalid]
    assert "articles" in str(errors[0])
    source = app.parts.store.sources.all()[0]
    assert source.failures == 1
    assert source.next_fetch_at is not None
    assert (source.next_fetch_at - clock.now()).total_seconds() > 60
    assert "The ferry returns" in feed(root, "all.rss")
    (root / "elsewhere").rename(root / "articles")
    clock.move(hours=1)
    assert run_due(app) == []
    assert app.parts.store.sources.all()[0].last_error == ""


def test_a_feed_added_to_the_settings_holds_what_was_collected_before(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    app.close()
    more = '[[feeds]]\nslug = "news-only"\ntitle = "News"\nselect = { categories = ["news"] }\n'
    lay_out(root, SETTINGS + more)
    again = open_site(root, clock)
    run_due(again)
    assert "The ferry returns" in feed(root, "news-only.rss")
    again.close()


def test_a_lost_database_never_empties_the_feeds(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    app.close()
    for path in (root / "var").glob("publisher.db*"):
        path.unlink()
    (root / "articles").rename(root / "elsewhere")
    again = open_site(root, clock)
    errors = run_due(again, rounds=1)
    assert any("nothing" in str(error) for error in errors)
    assert "The ferry returns" in feed(root, "all.rss")
    assert "nothing" in again.parts.store.feeds.states()["all"][1]
    again.close()


# ---------------------------------------------------------------- articles into mailboxes


def test_the_digest_goes_at_its_hour_once_and_not_before(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    assert mailbox(root) == []
    clock.move(hours=1)
    run_due(app)
    assert addressees(root) == sorted(READERS)
    clock.move(minutes=10)
    run_due(app)
    assert len(mailbox(root)) == 2
    assert app.parts.store.editions.get("daily/daily:2026-11-22").state is EditionState.DONE


def test_the_next_day_brings_only_what_is_new(app: App, root: Path, clock: TestClock) -> None:
    to_the_hour(app, clock)
    clock.move(hours=23)
    run_due(app)
    clock.move(hours=1)
    run_due(app)
    skipped = app.parts.store.editions.get("daily/daily:2026-11-23")
    assert (skipped.state, skipped.reason) == (EditionState.SKIPPED, "nothing new")
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(hours=23)
    run_due(app)
    clock.move(hours=1)
    run_due(app)
    last = mailbox(root)[-2:]
    assert {str(mail["Subject"]) for mail in last} <= {
        "Lantern night moves indoors",
        "The ferry returns after forty years",
    }
    texts = [mail.get_body(("plain",)).get_content() for mail in mailbox(root)]  # type: ignore[union-attr]
    assert sum("The ferry returns" in text for text in texts) == 2
    assert sum("Lantern night" in text for text in texts) == 2


def test_two_processes_at_the_same_hour_mail_everybody_once(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    other = open_site(root, clock)
    clock.move(hours=1)
    for work in [*pipeline.due(app.parts)]:
        pipeline.work(app.parts, work.kind, work.key)
        pipeline.work(other.parts, work.kind, work.key)
    run_due(other)
    run_due(app)
    assert addressees(root) == sorted(READERS)
    other.close()


def test_a_site_set_up_after_the_hour_waits_for_the_next_one(root: Path) -> None:
    clock = TestClock(EARLY.replace(hour=9))
    app = open_site(root, clock)
    add_readers(app, *READERS)
    run_due(app)
    assert mailbox(root) == []
    clock.move(hours=22)
    run_due(app)
    assert len(mailbox(root)) == 2
    app.close()


def test_a_late_machine_sends_late_and_a_very_late_one_merges_and_raises_an_alarm(
    app: App, root: Path, clock: TestClock
) -> None:
    run_due(app)
    clock.move(hours=6)
    run_due(app)
    assert len(mailbox(root)) == 2
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(days=1, hours=3)
    run_due(app)
    merged = app.parts.store.editions.get("daily/daily:2026-11-23")
    assert merged.state is EditionState.MERGED
    alarms = [mail for mail in mailbox(root) if "editor@" in str(mail["To"])]
    assert len(alarms) == 1
    assert "daily:2026-11-23" in str(alarms[0]["Subject"])
    clock.move(hours=16)
    run_due(app)
    assert addressees(root).count("ben@mail.example") == 2


def test_an_edition_that_nobody_asked_for_is_skipped_and_uses_up_no_article(root: Path, clock: TestClock) -> None:
    app = open_site(root, clock)
    to_the_hour(app, clock)
    skipped = app.parts.store.editions.get("daily/daily:2026-11-22")
    assert (skipped.state, skipped.reason) == (EditionState.SKIPPED, "nobody has subscribed")
    add_readers(app, *READERS)
    clock.move(days=1)
    run_due(app)
    assert addressees(root) == sorted(READERS)
    app.close()


def test_an_approved_edition_that_a_long_outage_kept_back_is_no_news_any_more(
    app: App, root: Path, clock: TestClock
) -> None:
    run_due(app)
    clock.move(hours=1)
    pipeline.compose(app.parts, "daily")  # approved, and then the machine is off for two days
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(days=2)
    run_due(app)
    assert app.parts.store.editions.get("daily/daily:2026-11-22").state is EditionState.MERGED
    assert addressees(root).count("ben@mail.example") == 1
    assert "and 1 more story" in str(next(mail for mail in mailbox(root) if "ben@" in str(mail["To"]))["Subject"])


def test_who_has_not_confirmed_or_has_left_gets_nothing(app: App, root: Path, clock: TestClock) -> None:
    add_readers(app, "pending@mail.example", status="pending")
    add_readers(app, "left@mail.example", status="unsubscribed")
    to_the_hour(app, clock)
    assert addressees(root) == sorted(READERS)
    sums = app.parts.store.outbox.sums(app.parts.store.editions.newest(1)[0].id)
    assert sums.excluded == {"not confirmed": 1, "unsubscribed": 1}
    assert sums.candidates == sums.planned + 2


def test_a_broken_template_leaves_a_draft_that_goes_when_it_is_mended(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    own = root / "templates" / "digest" / "daily"
    own.mkdir(parents=True)
    (own / "body.html").write_text("<p>fine</p>\n{{ reader.nose }}\n")
    clock.move(hours=1)
    errors = run_due(app)
    assert [type(error) for error in errors] == [TemplateError]
    assert "body.html, line 2" in str(errors[0])
    assert "reader" in str(errors[0])
    draft = app.parts.store.editions.newest(1)[0]
    assert (draft.state, mailbox(root)) == (EditionState.DRAFT, [])
    (own / "body.html").write_text(
        "<p>{{ lead.title }}</p><p>{{ site.postal_address }}</p><a href='{{ unsubscribe_url }}'>leave</a>"
    )
    clock.move(minutes=1)
    assert run_due(app) == []
    assert addressees(root) == sorted(READERS)


def test_an_edition_can_be_undone_while_its_window_is_open(root: Path, clock: TestClock) -> None:
    lay_out(root, SETTINGS.replace('slug = "daily"', 'slug = "daily"\nundo = "10m"'))
    app = open_site(root, clock)
    add_readers(app, *READERS)
    to_the_hour(app, clock)
    assert app.parts.store.editions.get("daily/daily:2026-11-22").state is EditionState.APPROVED
    editions.undo(app.parts.store, "daily/daily:2026-11-22")
    clock.move(minutes=11)
    run_due(app)
    assert mailbox(root) == []
    app.close()


def test_an_editors_newsletter_waits_for_the_editor(root: Path, clock: TestClock) -> None:
    lay_out(root, SETTINGS.replace('slug = "daily"', 'slug = "daily"\napproval = "editor"'))
    app = open_site(root, clock)
    add_readers(app, *READERS)
    to_the_hour(app, clock)
    there = app.parts.store.editions.get("daily/daily:2026-11-22")
    assert (there.state, mailbox(root)) == (EditionState.WAITING, [])
    editions.approve(app.parts.store, there.key, "Aoife Brennan", undo=clock.now() - clock.now(), now=clock.now())
    run_due(app)
    assert addressees(root) == sorted(READERS)
    assert app.parts.store.editions.get(there.key).approved_by == "Aoife Brennan"
    app.close()


def told(app: App, kind: EventKind, *positions: int) -> None:
    """What a mailer tells about letters of the first batch."""
    there = app.parts.store.editions.newest(1)[0]
    batch = app.parts.store.outbox.batches(there.id)[0]
    events = [
        MailEvent(
            event_id=f"{kind}-{at}", kind=kind, at=app.parts.clock.now(), recipient="", batch=batch.key, position=at
        )
        for at in positions
    ]
    app.parts.store.events.keep("maildir", events, at=app.parts.clock.now())


def test_an_address_that_does_not_exist_is_not_mailed_again(app: App, root: Path, clock: TestClock) -> None:
    to_the_hour(app, clock)
    told(app, EventKind.HARD_BOUNCE, 0)
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(days=1)
    run_due(app)
    assert len(mailbox(root)) == 3
    sums = app.parts.store.outbox.sums(app.parts.store.editions.newest(1)[0].id)
    assert sums.excluded == {"suppressed: hard bounce": 1}


def test_an_edition_that_servers_refuse_because_of_the_sender_is_paused_and_suppresses_nobody(
    app: App, root: Path, clock: TestClock
) -> None:
    add_readers(app, *(f"reader{number}@mail.example" for number in range(148)))
    run_due(app)
    clock.move(hours=1)
    pipeline.compose(app.parts, "daily")
    pipeline.plan(app.parts, "daily/daily:2026-11-22")
    app.parts.clock.stopping.set()  # type: ignore[attr-defined]
    pipeline.deliver(app.parts, "maildir")
    app.parts.clock.stopping.clear()  # type: ignore[attr-defined]
    told(app, EventKind.BLOCKED, *range(6))
    pipeline.work(app.parts, "feedback", "")
    paused = app.parts.store.editions.get("daily/daily:2026-11-22")
    assert paused.state is EditionState.PAUSED
    assert "sender" in paused.reason
    clock.move(hours=1)
    run_due(app)
    assert "daily:2026-11-22" in str(app.parts.store.notices.last(1)[0].rendered.subject)
    assert [mail for mail in mailbox(root) if "editor@" not in str(mail["To"])] == []


def test_sending_by_hand_takes_the_open_slot_so_twice_is_once(app: App, root: Path, clock: TestClock) -> None:
    run_due(app)
    newsletter = app.parts.newsletters[0]
    slot = slots.today(newsletter.timetable(), clock.now())
    for _ in range(2):
        pipeline.send(app.parts, newsletter, slot, "Aoife Brennan")
        run_due(app)
    assert addressees(root) == sorted(READERS)
    clock.move(hours=2)
    run_due(app)
    assert len(mailbox(root)) == 2


def test_a_skipped_edition_is_made_anew_by_hand(app: App, root: Path, clock: TestClock) -> None:
    to_the_hour(app, clock)
    clock.move(days=1)
    run_due(app)
    write(root, "culture/lanterns.txt", LANTERNS)
    clock.move(hours=2)
    run_due(app)
    newsletter = app.parts.newsletters[0]
    slot = slots.today(newsletter.timetable(), clock.now())
    sent = pipeline.send(app.parts, newsletter, slot, "Aoife Brennan")
    run_due(app)
    assert sent.key == "daily/daily:2026-11-23"
    assert len(mailbox(root)) == 4


def test_a_mailer_to_people_does_not_send_without_a_public_address(root: Path, clock: TestClock) -> None:
    text = SETTINGS.replace('public_url = "https://news.harbour-gazette.example"', "")
    text = text.replace('kind = "maildir"', 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9')
    lay_out(root, text)
    app = open_site(root, clock)
    add_readers(app, *READERS)
    errors = to_the_hour(app, clock)
    assert {type(error) for error in errors} == {MailerMisconfigured}
    assert "public_url" in str(errors[0])
    assert app.parts.store.editions.newest(1)[0].state is EditionState.APPROVED
    clock.move(hours=1)
    run_due(app)
    assert "daily:2026-11-22" in str(app.parts.store.notices.last(1)[0].rendered.subject)
    app.close()


def test_a_renamed_source_and_newsletter_keep_their_history(app: App, root: Path, clock: TestClock) -> None:
    to_the_hour(app, clock)
    entry_id = next(app.parts.store.articles.each()).entry_id
    app.close()
    text = SETTINGS.replace('slug = "newsroom"', 'slug = "harbour-desk"\nwas = ["newsroom"]')
    lay_out(root, text.replace('slug = "daily"', 'slug = "morning"\nwas = ["daily"]'))
    again = open_site(root, clock)
    clock.move(days=1)
    run_due(again)
    articles = list(again.parts.store.articles.each())
    assert [(article.source, article.entry_id) for article in articles] == [("harbour-desk", entry_id)]
    skipped = again.parts.store.editions.get("morning/daily:2026-11-23")
    assert (skipped.state, skipped.reason) == (EditionState.SKIPPED, "nothing new")
    assert again.parts.store.audience.count("morning")[SubscriptionStatus.CONFIRMED] == 2
    again.close()


def test_every_article_has_a_reason_for_every_output(app: App, root: Path, clock: TestClock) -> None:
    to_the_hour(app, clock)
    article = next(app.parts.store.articles.each())
    told = {
        decision.output: (decision.included, decision.rule) for decision in app.parts.store.decisions.of(article.id)
    }
    assert told["newsletter:daily"] == (True, "new since the last edition")
    assert told["feed:all"][0]
    assert told["feed:section-news"] == (True, "category is News")


@pytest.mark.parametrize("year", [2026, 2031])
def test_one_pass_does_the_whole_job_whatever_the_hour_and_the_year(tmp_path: Path, year: int) -> None:
    root = lay_out(tmp_path / "site")
    clock = TestClock(datetime(year, 6, 1, 21, 0, tzinfo=UTC))
    app = open_site(root, clock)
    add_readers(app, *READERS)
    said: list[tuple[str, object]] = []
    pipeline.one_pass(app.parts, lambda step, result: said.append((step, result)))
    assert addressees(root) == sorted(READERS)
    assert "The ferry returns" in feed(root, "all.rss")
    pipeline.one_pass(app.parts, lambda step, result: said.append((step, result)))
    clock.move(days=1)
    pipeline.one_pass(app.parts, lambda step, result: said.append((step, result)))
    assert len(mailbox(root)) == 2
    assert not [result for _, result in said if isinstance(result, Exception)]
    app.close()


def test_the_files_of_the_site_are_private_where_they_should_be(app: App, root: Path) -> None:
    run_due(app)
    assert oct(os.stat(root / "var" / "keys").st_mode & 0o777) == "0o600"
