"""`publisher rebuild` and `publisher receipt`: the same bytes again, and an account that holds, in words."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import as_json, call, done, newsroom

EDITION = "daily/daily:2026-11-22"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = newsroom(tmp_path / "gazette")
    done(root, "run", "--once")
    done(root, "subscribers", "import", root / "subscribers.csv")
    done(root, "send", "daily", "--now", "--yes")
    return root


def test_an_edition_is_made_again_and_compared(site: Path, tmp_path: Path) -> None:
    assert "1 variant, the same byte for byte" in done(site, "rebuild", EDITION, "--to", tmp_path / "again")
    [told] = as_json(site, "rebuild", EDITION)["variants"]
    assert told["same"]
    assert told["again"] == told["content_hash"]
    [html] = (tmp_path / "again").glob("*/body.html")
    assert "The ferry returns" in html.read_text()


def test_a_reader_s_message_is_written_as_it_left(site: Path, tmp_path: Path) -> None:
    done(site, "rebuild", EDITION, "--reader", "ben@mail.example", "--to", tmp_path / "again")
    mailed = [path.read_bytes() for path in (site / "var/maildir/new").glob("*")]
    assert (tmp_path / "again" / "message.eml").read_bytes() in mailed


def test_who_got_nothing_and_what_never_was_is_said(site: Path) -> None:
    assert "no reader has the address" in call(site, "rebuild", EDITION, "--reader", "no@mail.example").stderr
    assert "There is no edition" in call(site, "rebuild", "daily/daily:2020-01-01").stderr


# ---------------------------------------------------------------- receipts


def test_the_receipt_is_written_as_json_with_its_seal(site: Path) -> None:
    told = json.loads(done(site, "receipt", "show", EDITION))
    assert told["receipt"]["edition"] == EDITION
    assert told["receipt"]["sums"]["accepted"] == 1
    assert told["seal"]["sha256"] == sha256(json.dumps(told["receipt"], **_CANONICAL).encode()).hexdigest()


_CANONICAL: dict[str, Any] = {"sort_keys": True, "separators": (",", ":")}


def test_a_receipt_that_holds_says_so_and_one_that_does_not_names_the_row(site: Path) -> None:
    assert "every row, every sum, every variant" in done(site, "receipt", "verify", EDITION)
    with closing(sqlite3.connect(site / "var/publisher.db")) as database:
        database.execute("UPDATE batch SET mailer = 'another'")
        database.commit()
    result = call(site, "receipt", "verify", EDITION)
    assert result.exit_code == 1
    assert "batch 0 was altered" in result.stdout
    assert f"{EDITION} is not as its receipt says: 1 difference, named above." in result.stdout
    assert json.loads(call(site, "receipt", "verify", EDITION, "--json").stdout)["holds"] is False


def test_an_edition_that_is_not_over_has_none_yet(site: Path) -> None:
    assert "There is no edition" in call(site, "receipt", "verify", "daily/daily:2020-01-01").stderr
