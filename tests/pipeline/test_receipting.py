"""An edition's receipt adds up, and finds every altered row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from publisher import editions, keep, pipeline
from publisher.app import App
from publisher.errors import NotFound
from publisher.model import EventKind, MailEvent
from publisher.store.tables import (
    attempt,
    batch,
    delivery_exception,
    edition,
    edition_choice,
    edition_item,
    material,
    plan_chunk,
    plan_exclusion,
    receipt,
    revision,
    variant,
    variant_item,
)
from tests.sites import FERRY, LANTERNS, SETTINGS, TestClock, add_readers, lay_out, open_site, write

KEY = "daily/daily:2026-11-22"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


@pytest.fixture
def sent(tmp_path: Path, clock: TestClock) -> App:
    return delivered(tmp_path, clock)


def delivered(root: Path, clock: TestClock) -> App:
    """A site whose daily edition went to three readers, and not to one who never confirmed."""
    app = open_site(lay_out(root, SETTINGS, {"news/ferry.txt": FERRY, "evening/lanterns.txt": LANTERNS}), clock)
    add_readers(app, "ann@mail.example", "ben@mail.example", "cleo@mail.example")
    add_readers(app, "dan@mail.example", status="pending")
    for kind, key in (("collect", "newsroom"), ("compose", "daily"), ("plan", KEY), ("deliver", "maildir")):
        pipeline.work(app.parts, kind, key)
    return app


def told(app: App) -> dict[str, Any]:
    _, sealed, said = pipeline.receipt(app.parts, KEY)
    assert sealed is not None
    return said


def altered(app: App, statement: sa.Update | sa.Delete | sa.Insert | sa.TextClause) -> None:
    with app.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        assert connection.execute(statement).rowcount > 0


def rejected(app: App, clock: TestClock) -> None:
    """What a mailer said of one letter, as the ledger writes it, before the receipt is made."""
    with app.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        [id, of] = connection.execute(sa.select(batch.c.id, batch.c.edition)).one()
        connection.execute(sa.update(batch).values(rejected=b"\x01", rejected_n=1))
        values = {"batch": id, "subscriber": 1, "kind": "rejected", "edition": of, "code": "550", "detail": "no such"}
        connection.execute(sa.insert(delivery_exception).values(**values, at=clock.now()))
        connection.execute(sa.delete(receipt))
    pipeline.account(app.parts)


# ---------------------------------------------------------------- what it says


def test_the_receipt_of_a_finished_edition_adds_up(sent: App) -> None:
    said = told(sent)
    sums = said["sums"]
    assert (sums["candidates"], sum(sums["excluded"].values()), sums["planned"], sums["accepted"]) == (4, 1, 3, 3)
    assert said["state"] == "done"
    assert said["approved"]["by"] == "auto"
    [version] = said["variants"]
    assert version["readers"] == 3
    assert len(version["content_hash"]) == len(version["recipe"]) == 64
    assert [item["label"] for item in version["items"]] == ["new", "new"]
    assert pipeline.verify_receipt(sent.parts, KEY) == ()


def test_it_has_no_address_in_it(sent: App) -> None:
    there = sent.parts.store.kept.receipt(sent.parts.store.editions.get(KEY).id)
    assert there is not None
    assert "@mail.example" not in there.body


def test_both_versions_are_listed_with_who_got_which(sent: App) -> None:
    """A late change supersedes the variant of whoever has not been mailed yet."""
    with sent.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        [first] = connection.execute(sa.select(variant)).mappings().all()
        later = {name: value for name, value in first.items() if name != "id"} | {
            "key": "late",
            "supersedes": first["id"],
        }
        connection.execute(sa.insert(variant).values(**later))
        connection.execute(sa.delete(receipt))
    pipeline.account(sent.parts)
    told_of = {one["key"]: (one["supersedes"], one["readers"]) for one in told(sent)["variants"]}
    assert told_of == {first["key"]: ("", 3), "late": (first["key"], 0)}


def test_an_edition_that_is_not_over_is_shown_as_it_stands_unsealed(tmp_path: Path, clock: TestClock) -> None:
    app = open_site(lay_out(tmp_path), clock)
    add_readers(app, "ann@mail.example")
    for kind, key in (("collect", "newsroom"), ("compose", "daily")):
        pipeline.work(app.parts, kind, key)
    _, sealed, said = pipeline.receipt(app.parts, KEY)
    assert (sealed, said["state"]) == (None, "approved")
    with pytest.raises(NotFound, match="gets one when it is over"):
        pipeline.verify_receipt(app.parts, KEY)


# ---------------------------------------------------------------- one altered row

_KINDS: list[tuple[str, Callable[[], sa.Update | sa.Delete | sa.TextClause], str]] = [
    ("edition", lambda: sa.update(edition).values(approved_by="somebody"), "edition daily:2026-11-22 was altered"),
    ("edition's sums", lambda: sa.update(edition).values(planned=2), "planned"),
    ("item", lambda: sa.update(edition_item).where(edition_item.c.position == 1).values(revision=9), "item (article)"),
    ("item gone", lambda: sa.delete(edition_item).where(edition_item.c.position == 1), "is gone"),
    ("variant", lambda: sa.update(variant).values(html="<p>other</p>"), "variant "),
    ("variant's hash", lambda: sa.update(variant).values(content_hash="0"), "variant "),
    (
        "item of variant",
        lambda: sa.update(variant_item).where(variant_item.c.position == 0).values(label="updated"),
        "item of",
    ),
    ("chunk", lambda: sa.update(plan_chunk).values(chunk_hi=99), "chunk of the plan"),
    ("exclusion", lambda: sa.update(plan_exclusion).values(reason="unsubscribed"), "exclusion"),
    ("exclusion's number", lambda: sa.update(plan_exclusion).values(n=2), "excluded"),
    ("exclusion gone", lambda: sa.delete(plan_exclusion), "is gone"),
    ("batch", lambda: sa.update(batch).values(payload_hash="0"), "batch 0 was altered"),
    ("batch's members", lambda: sa.update(batch).values(runs=b"\x01\x03\x01\x01\x02"), "batch 0 was altered"),
    ("batch's skipped", lambda: sa.update(batch).values(skipped_n=1), "skipped"),
    ("attempt", lambda: sa.update(attempt).values(worker="nobody"), "attempt on batch 0"),
    ("exception", lambda: sa.update(delivery_exception).values(detail="fine"), "exception of batch 0"),
    ("exception gone", lambda: sa.delete(delivery_exception), "exception of batch 0 is gone"),
    ("revision", lambda: sa.update(revision).values(title="Ferry sinks"), "revision (article/number) 1/1 was altered"),
    ("reasons", lambda: sa.update(edition_choice).values(told=[]), "reasons of edition"),
    ("what nobody can read", lambda: sa.update(variant_item).values(label="neu"), "cannot be read any more"),
    ("a moment", lambda: sa.text("update edition set approved_at = 'yesterday'"), "cannot be read any more"),
    ("recipe", lambda: sa.update(material).values(body=b"x\x9cK\x04\x00\x00b\x00b"), "altered"),
]


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An edition that is over, for tests that undo what they alter."""
    clock = TestClock(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
    app = delivered(tmp_path_factory.mktemp("over"), clock)
    rejected(app, clock)
    assert pipeline.verify_receipt(app.parts, KEY) == ()
    yield app
    app.close()


class _UndoneError(Exception):
    """Rolls a transaction back."""


@pytest.mark.parametrize(("alter", "named"), [kind[1:] for kind in _KINDS], ids=[kind[0] for kind in _KINDS])
def test_one_altered_row_is_found_and_named(
    over: App, alter: Callable[[], sa.Update | sa.Delete | sa.TextClause], named: str
) -> None:
    problems: tuple[str, ...] = ()
    with suppress(_UndoneError), over.parts.store.transaction() as together:
        one = replace(over, parts=replace(over.parts, store=together))
        altered(one, alter())
        problems = pipeline.verify_receipt(one.parts, KEY)
        raise _UndoneError
    assert any(named in problem for problem in problems), problems


def test_a_receipt_that_is_altered_with_the_row_is_found_by_its_seal(sent: App) -> None:
    there = sent.parts.store.kept.receipt(sent.parts.store.editions.get(KEY).id)
    assert there is not None
    forged = there.body.replace('"by":"auto"', '"by":"eve"')
    assert forged != there.body
    altered(sent, sa.update(receipt).values(body=forged, hash=keep.digest(forged.encode())))
    [problem] = pipeline.verify_receipt(sent.parts, KEY)
    assert "the receipt itself was altered" in problem


def test_a_receipt_that_was_taken_out_is_missed_by_the_one_after_it(sent: App, clock: TestClock) -> None:
    clock.move(hours=24)
    write(sent.root, "news/pier.md", "# The pier is open\n\nSince noon on Monday, and for everybody who wants to walk.")
    following = "daily/daily:2026-11-23"
    for kind, key in (("collect", "newsroom"), ("compose", "daily"), ("plan", following), ("deliver", "maildir")):
        pipeline.work(sent.parts, kind, key)
    assert pipeline.verify_receipt(sent.parts, following) == ()
    first = sent.parts.store.editions.get(KEY)
    altered(sent, sa.delete(receipt).where(receipt.c.edition == first.id))
    altered(sent, sa.update(edition).where(edition.c.id == first.id).values(subject="Ferry sinks"))
    with pytest.raises(NotFound, match="with the next sweep"):
        pipeline.verify_receipt(sent.parts, KEY)
    clock.move(minutes=1)
    run_sweep(sent)
    assert pipeline.verify_receipt(sent.parts, KEY) == ()
    [problem] = pipeline.verify_receipt(sent.parts, following)
    assert "taken out or altered" in problem


# ---------------------------------------------------------------- what comes later


def test_a_bounce_that_is_told_later_breaks_nothing_and_is_vouched_for_too(sent: App, clock: TestClock) -> None:
    clock.move(hours=1)
    bounced(sent, clock)
    assert pipeline.verify_receipt(sent.parts, KEY) == ()
    run_sweep(sent)
    assert pipeline.verify_receipt(sent.parts, KEY) == ()
    altered(sent, sa.update(delivery_exception).values(detail="something else"))
    assert pipeline.verify_receipt(sent.parts, KEY) == ("what events told of single letters was altered",)


def bounced(app: App, clock: TestClock) -> None:
    [of] = app.parts.store.outbox.batches(app.parts.store.editions.get(KEY).id)
    bounce = MailEvent(
        event_id="1",
        kind=EventKind.HARD_BOUNCE,
        at=clock.now() - timedelta(minutes=1),
        batch=of.key,
        position=0,
        recipient="ann@mail.example",
        code="5.1.1",
        detail="no such mailbox",
    )
    app.parts.store.events.keep("maildir", [bounce], at=clock.now())
    pipeline.work(app.parts, "feedback", "")


def run_sweep(app: App) -> None:
    pipeline.work(app.parts, "sweep", "")


def test_a_person_s_word_about_held_letters_makes_another_receipt(sent: App, clock: TestClock) -> None:
    with sent.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        connection.execute(sa.update(batch).values(state="held", unknown_since=clock.now()))
        connection.execute(sa.delete(receipt))
    run_sweep(sent)
    first = sent.parts.store.kept.receipt(sent.parts.store.editions.get(KEY).id)
    assert first is not None
    assert told(sent)["sums"]["unknown"] == 3
    clock.move(hours=1)
    assert editions.resolve(sent.parts.store, KEY, accepted=True, now=clock.now()) == 3
    run_sweep(sent)
    second = sent.parts.store.kept.receipt(first.edition)
    assert second is not None
    assert second.number == 2
    assert told(sent)["before"] == first.hash
    assert told(sent)["sums"]["accepted"] == 3
    assert pipeline.verify_receipt(sent.parts, KEY) == ()


def test_a_cancelled_edition_has_a_receipt_of_whom_it_did_not_reach(tmp_path: Path, clock: TestClock) -> None:
    app = open_site(lay_out(tmp_path), clock)
    add_readers(app, "ann@mail.example")
    for kind, key in (("collect", "newsroom"), ("compose", "daily"), ("plan", KEY)):
        pipeline.work(app.parts, kind, key)
    editions.cancel(app.parts.store, KEY, "desk", now=clock.now())
    run_sweep(app)
    assert (told(app)["state"], told(app)["sums"]["cancelled"]) == ("cancelled", 1)
    assert "cancelled by desk" in told(app)["reason"]
    assert pipeline.verify_receipt(app.parts, KEY) == ()
