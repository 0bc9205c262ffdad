"""`publisher deliver`: stop, go on, cancel, resolve."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from publisher import editions, pipeline
from tests.cli.calling import NOW, READERS, as_json, call, done, newsroom
from tests.sites import TestClock, open_site

EDITION = "daily/daily:2026-11-22"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return approved(tmp_path / "site", READERS)


def approved(root: Path, readers: str) -> Path:
    """A newsroom whose edition is approved and waits for its undo window to end."""
    newsroom(root, readers=readers)
    settings = (root / "settings.toml").read_text()
    (root / "settings.toml").write_text(settings.replace('slug = "daily"', 'slug = "daily"\nundo = "10m"', 1))
    done(root, "collect", at=NOW - timedelta(days=1))
    done(root, "subscribers", "import", root / "subscribers.csv")
    done(root, "send", "daily", "--now", "--yes")
    return root


def test_a_cancelled_edition_never_leaves(site: Path) -> None:
    assert "cancelled" in done(site, "deliver", "cancel", EDITION)
    assert "Nothing waits" in done(site, "deliver", at=NOW + timedelta(hours=1))
    assert call(site, "deliver", "cancel", EDITION).exit_code == 4


def test_what_is_not_being_sent_cannot_be_paused_or_resumed(site: Path) -> None:
    for word in ("pause", "resume"):
        result = call(site, "deliver", word, EDITION)
        assert result.exit_code == 4
        assert EDITION in result.stderr


def test_an_edition_that_is_not_there_is_named(site: Path) -> None:
    result = call(site, "deliver", "pause", "daily/daily:1999-01-01")
    assert result.exit_code == 4
    assert "1999-01-01" in result.stderr


def test_resolving_needs_one_word_and_tells_when_nobody_is_held(site: Path) -> None:
    assert call(site, "deliver", "resolve", EDITION, "--accepted", "--resend").exit_code == 2
    assert call(site, "deliver", "resolve", "daily/daily:1999-01-01").exit_code == 4
    assert "Nobody of it is held" in done(site, "deliver", "resolve", EDITION)
    assert as_json(site, "deliver", "resolve", EDITION)["readers"] == []
    assert "Nobody of it is held" in done(site, "deliver", "resolve", EDITION, "--accepted")
    assert as_json(site, "deliver", "resolve", EDITION, "--accepted")["decided"] == 0


WHY = "the connection ended before the answer"


def lose_the_answer(root: Path, *, cancelled: bool = False) -> None:
    """To all readers of the edition, which thereby is over, or was cancelled meanwhile."""
    clock = TestClock(NOW + timedelta(hours=1))
    app = open_site(root, clock)
    pipeline.plan(app.parts, EDITION)
    outbox, now = app.parts.store.outbox, clock.now()
    claimed = outbox.claim("maildir", "worker", now=now, lease=timedelta(minutes=2))
    assert claimed
    sent = outbox.intend(claimed, now=now, payload_hash="x", skipped=frozenset())
    assert sent
    if cancelled:
        editions.cancel(app.parts.store, EDITION, "Aoife Brennan", now=now)
    assert outbox.hold(sent, error=WHY)
    pipeline.work(app.parts, "sweep", "")
    app.close()


@pytest.fixture
def in_doubt(tmp_path: Path) -> Path:
    root = approved(tmp_path / "site", READERS + "ann@mail.example,Ann Ryan,\n")
    lose_the_answer(root)
    return root


AFTER = NOW + timedelta(hours=2)


def test_readers_of_whom_nobody_can_tell_are_listed_by_name(in_doubt: Path) -> None:
    told = done(in_doubt, "deliver", "resolve", EDITION, at=AFTER)
    for reader in ("ann", "ben"):
        assert f"Sun 22 Nov, 11:00  {reader}@mail.example, through maildir: {WHY}" in told.splitlines()
    assert "carla@mail.example" not in told, "she has not confirmed"
    assert "2 readers: nobody can tell whether they were mailed" in told
    assert f"publisher deliver resolve {EDITION} --resend " in told

    listed = as_json(in_doubt, "deliver", "resolve", EDITION, at=AFTER)
    assert listed["edition"]["sums"]["unknown"] == 2
    assert all(one.pop("since") for one in listed["readers"])
    same = {"mailer": "maildir", "handed_over_at": (NOW + timedelta(hours=1)).isoformat(), "reason": WHY}
    assert sorted(listed["readers"], key=lambda one: str(one["email"])) == [
        {"email": "ann@mail.example", **same},
        {"email": "ben@mail.example", **same},
    ]


def test_of_a_cancelled_edition_nobody_is_offered_to_be_mailed_again(site: Path) -> None:
    lose_the_answer(site, cancelled=True)
    told = done(site, "deliver", "resolve", EDITION, at=AFTER)
    assert "ben@mail.example, through maildir" in told
    assert "--accepted" in told
    assert "--resend" not in told


def test_the_status_says_that_readers_wait_for_a_persons_word(in_doubt: Path) -> None:
    told = done(in_doubt, "status", at=AFTER)
    line = f"2 readers of {EDITION}: nobody can tell whether they were mailed: publisher deliver resolve {EDITION}"
    assert line in told.splitlines()
    assert "0 of 2, 2 unknown" in told
    assert "Nothing waits." not in told
    assert as_json(in_doubt, "status", at=AFTER)["waiting"]["in_doubt"] == [{"edition": EDITION, "readers": 2}]

    assert "2 readers: counted as mailed" in done(in_doubt, "deliver", "resolve", EDITION, "--accepted", at=AFTER)
    told = done(in_doubt, "status", at=AFTER)
    assert "2 of 2" in told
    assert "nobody can tell" not in told
    assert "Nobody of it is held" in done(in_doubt, "deliver", "resolve", EDITION, at=AFTER)


def test_who_is_mailed_again_counts_as_a_possible_duplicate(in_doubt: Path) -> None:
    assert as_json(in_doubt, "status", at=AFTER)["editions"][0]["possible_duplicates"] == 0
    done(in_doubt, "deliver", "resolve", EDITION, "--resend", at=AFTER)
    later = AFTER + timedelta(minutes=1)
    assert "2 accepted; left out: 1 not confirmed; 2 may get it twice" in done(in_doubt, "deliver", at=later)
    assert as_json(in_doubt, "status", at=later)["editions"][0]["possible_duplicates"] == 2


def test_a_first_wave_is_told_of_and_the_rest_goes_later(tmp_path: Path) -> None:
    root = newsroom(tmp_path / "site")
    settings = (root / "settings.toml").read_text()
    wave = 'slug = "daily"\nfirst_wave = { recipients = 2, wait = "20m" }'
    (root / "settings.toml").write_text(settings.replace('slug = "daily"', wave, 1))
    done(root, "collect", at=NOW - timedelta(days=1))
    (root / "many.csv").write_text("email\n" + "".join(f"reader{number}@mail.example\n" for number in range(8)))
    done(root, "subscribers", "import", root / "many.csv")
    assert "6 wait to see how the first wave of 2 fares" in done(root, "send", "daily", "--now", "--yes")
    assert f"{EDITION}: 6 wait" in done(root, "status", at=NOW + timedelta(minutes=1))
    assert "8 accepted" in done(root, "deliver", at=NOW + timedelta(minutes=30))


def test_everything_about_a_reader_is_told(site: Path) -> None:
    done(site, "deliver", at=NOW + timedelta(hours=1))
    told = done(site, "deliver", "trace", "ben@mail.example")
    assert f"{EDITION}  accepted" in told
    assert "daily: confirmed since" in told
    assert "attempt 1 of the batch through maildir: accepted" in told
    edition = as_json(site, "deliver", "trace", "ben@mail.example")["editions"][0]
    assert (edition["edition"], edition["outcome"], len(edition["attempts"])) == (EDITION, "accepted", 1)
    waits = done(site, "deliver", "trace", "carla@mail.example")
    assert "daily: pending" in waits
    assert f"{EDITION}  excluded: not confirmed" in waits
    nobody = call(site, "deliver", "trace", "nobody@mail.example")
    assert nobody.exit_code == 4
    assert "nobody@mail.example" in nobody.stderr


def test_retrying_tells_that_nobody_was_rejected_and_needs_an_edition_that_went(site: Path) -> None:
    assert call(site, "deliver", "retry", EDITION).exit_code == 4
    done(site, "deliver", at=NOW + timedelta(hours=1))
    assert "0 readers to be mailed again." in done(site, "deliver", "retry", EDITION)
    assert as_json(site, "deliver", "retry", EDITION)["again"] == 0
