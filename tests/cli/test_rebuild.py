"""`publisher rebuild`: the same bytes again, in words; and a reader's message as a file."""

from __future__ import annotations

from pathlib import Path

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
