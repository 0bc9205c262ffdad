"""Each step as a command of its own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.calling import NOW, as_json, call, done, letters, newsroom
from tests.sites import FERRY, write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def test_collecting_again_changes_nothing(site: Path) -> None:
    assert as_json(site, "collect")["sources"][0]["new"] == 2
    assert "nothing new" in done(site, "collect")


def test_a_name_that_is_not_there_is_answered_with_those_that_are(site: Path) -> None:
    done(site, "collect")
    for words, known in (
        (("collect", "wire"), "newsroom"),
        (("syndicate", "sport"), "section-evening"),
        (("compose", "weekly"), "daily"),
        (("deliver", "--mailer", "pigeon"), "maildir"),
        (("send", "weekly", "--now"), "daily"),
        (("subscribers", "list", "--newsletter", "weekly"), "daily"),
    ):
        result = call(site, *words)
        assert result.exit_code == 4, words
        assert known in result.stderr, words


def test_feeds_that_were_deleted_are_built_again_the_same(site: Path) -> None:
    done(site, "collect")
    done(site, "syndicate")
    before = {path.name: path.read_bytes() for path in (site / "feeds").iterdir()}
    for path in (site / "feeds").iterdir():
        path.unlink()
    assert "No feed has changed" in done(site, "syndicate")
    done(site, "syndicate", "--all", at=NOW + timedelta(days=3))
    assert {path.name: path.read_bytes() for path in (site / "feeds").iterdir()} == before


def test_a_feed_folder_that_is_a_file_is_named(site: Path) -> None:
    (site / "feeds").write_text("not a folder")
    done(site, "collect")
    result = call(site, "syndicate")
    assert result.exit_code == 9
    assert str(site / "feeds") in result.stderr


def test_composing_before_the_first_hour_says_when_it_comes(site: Path) -> None:
    done(site, "collect")
    assert "before Mon 23 Nov, 07:00" in done(site, "compose", "daily")
    assert as_json(site, "status")["editions"] == []


def test_the_steps_by_hand_bring_an_edition_to_a_mailbox(site: Path) -> None:
    done(site, "collect", at=NOW - timedelta(days=1))
    done(site, "subscribers", "import", site / "subscribers.csv")
    assert as_json(site, "compose", "daily")["edition"]["state"] == "approved"
    said = done(site, "deliver")
    assert "1 reader: 1 accepted" in said
    assert len(letters(site)) == 1
    assert "Nothing waits" in done(site, "deliver")
    assert len(letters(site)) == 1


def test_a_preview_stores_and_mails_nothing(site: Path) -> None:
    done(site, "collect")
    files = as_json(site, "preview", "daily", "--to", site / "look")["files"]
    assert {Path(path).name for path in files.values()} == {"subject.txt", "body.html", "body.txt"}
    assert "ferry" in Path(files["subject"]).read_text().lower()
    assert as_json(site, "status")["editions"] == []
    assert letters(site) == []


def test_a_preview_says_why_there_would_be_none(site: Path) -> None:
    said = done(site, "preview", "daily")
    assert "nothing new" in said
    assert "collect` looks for articles" in said


def test_a_template_can_be_looked_at_while_nothing_is_new(site: Path) -> None:
    done(site, "run", "--once")
    assert "The last articles look like this" in done(site, "preview", "daily")
    report = as_json(site, "preview", "daily")
    assert report["again"]
    assert "ferry" in Path(report["files"]["text"]).read_text()
    assert {article["title"] for article in report["articles"]} >= {"The ferry returns after forty years"}


def test_a_preview_tells_programs_why_each_article_is_in_or_out(site: Path) -> None:
    done(site, "run", "--once")
    write(site, "news/storm.txt", FERRY.replace("The ferry", "The storm"))
    done(site, "collect")
    rules = {article["rule"] for article in as_json(site, "preview", "daily")["articles"]}
    assert "new since the last edition" in rules
    assert any(rule.startswith("already sent") for rule in rules)
