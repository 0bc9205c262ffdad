"""An editor's word on one article, and why it is where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import as_json, call, done, newsroom
from tests.sites import write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = newsroom(tmp_path / "gazette")
    done(root, "collect")
    return root


def told(site: Path, *words: object) -> dict[str, dict[str, Any]]:
    """By output: the last thing that is said about it."""
    return {one["output"]: one for one in as_json(site, "why", *words)["decisions"]}


def test_why_tells_every_output(site: Path) -> None:
    decisions = told(site, "ferry")
    assert decisions["feed:all"]["included"]
    assert decisions["feed:all"]["rule"] == "everything is wanted"
    assert decisions["newsletter:daily"]["included"]
    assert decisions["feed:section-news"]["rule"] == "category is News"
    assert "feed:section-evening" not in decisions
    assert told(site, "ferry", "--feed", "section-evening")["feed:section-evening"]["rule"] == "category is not Evening"
    assert set(told(site, "ferry", "--newsletter", "daily")) == {"newsletter:daily"}
    text = done(site, "why", "ferry")
    assert "came in when its source was first read" in text
    assert "new since the last edition" in text


def test_why_wants_one_article(site: Path) -> None:
    several = call(site, "why", "e")
    assert (several.exit_code, "could be any of these" in several.stderr) == (4, True)
    nothing = call(site, "why", "submarine")
    assert (nothing.exit_code, "'submarine'" in nothing.stderr) == (4, True)
    assert "there is no feed 'sport'" in call(site, "why", "ferry", "--feed", "sport").stderr
    assert "no newsletter 'weekly'" in call(site, "why", "ferry", "--newsletter", "weekly").stderr


def test_why_tells_of_an_edition_why_each_article_is_in_it_or_not(site: Path) -> None:
    done(site, "articles", "hold", "lantern")
    done(site, "run", "--once")
    text = done(site, "why", "daily/daily:2026-11-22")
    assert "new since the last edition" in text
    assert "excluded from mail by an editor" in text
    decisions = as_json(site, "why", "daily/daily:2026-11-22")["decisions"]
    assert {(one["included"], one["rule"]) for one in decisions} == {
        (True, "new since the last edition"),
        (False, "excluded from mail by an editor"),
    }


@pytest.mark.parametrize("key", ["nosuch/daily:2026-11-22", "daily/daily:2026-11-21", "daily/weekly"])
def test_why_says_that_there_is_no_such_edition_and_names_the_nearest(site: Path, key: str) -> None:
    none = call(site, "why", key)
    assert (none.exit_code, f"there is no edition '{key}'; none has been made yet" in none.stderr) == (4, True)
    done(site, "run", "--once")
    said = call(site, "why", key).stderr
    assert f"there is no edition '{key}'; the nearest are: daily/daily:2026-11-22" in said


def test_why_takes_an_address_or_words_with_a_slash_for_an_article(site: Path) -> None:
    for words in ("https://gazette.example/daily:2026", "slip/harbour"):
        assert "no article has the address" in call(site, "why", words).stderr


def test_since_when_is_kept(site: Path) -> None:
    first = told(site, "ferry")["feed:all"]["since"]
    done(site, "collect")
    assert told(site, "ferry")["feed:all"]["since"] == first


def test_held_from_mail_and_let_into_it(site: Path) -> None:
    done(site, "articles", "hold", "ferry")
    decisions = told(site, "ferry")
    assert (decisions["newsletter:daily"]["included"], decisions["newsletter:daily"]["rule"]) == (
        False,
        "excluded from mail by an editor",
    )
    assert decisions["feed:all"]["included"]
    assert decisions["mail"]["rule"].startswith("kept out of mail by cli:")
    done(site, "articles", "allow", "ferry")
    decisions = told(site, "ferry")
    assert decisions["newsletter:daily"]["included"]
    assert decisions["mail"]["rule"].startswith("let into mail by cli:")


def test_a_backdated_article_is_mailed_when_an_editor_says_so(site: Path) -> None:
    write(site, "news/old.md", "---\nid: old\ntitle: The old pier\ndate: 2026-11-02T09:00:00Z\n---\nIt stood.\n")
    done(site, "collect")
    decisions = told(site, "old", "pier")
    assert decisions["feed:all"]["included"]
    assert decisions["newsletter:daily"]["rule"] == "backdated: in feeds, not in mail"
    done(site, "articles", "allow", "old", "pier")
    assert told(site, "old", "pier")["newsletter:daily"]["included"]
    done(site, "subscribers", "add", "ben@mail.example")
    done(site, "send", "daily", "--now")
    assert told(site, "old", "pier", "--newsletter", "daily")["newsletter:daily"]["rule"].startswith("already sent")


def test_retracted_and_restored(site: Path) -> None:
    done(site, "syndicate")
    done(site, "articles", "retract", "ferry", "--note", "There was no ferry.")
    done(site, "collect")
    done(site, "syndicate")
    article = as_json(site, "why", "ferry")["article"]
    assert (article["state"], article["retraction_note"]) == ("retracted", "There was no ferry.")
    assert told(site, "ferry")["feed:all"]["rule"] == "retracted"
    assert "<title>Retracted: The ferry returns after forty years</title>" in (site / "feeds" / "all.rss").read_text()
    assert call(site, "articles", "retract", "ferry").exit_code == 4
    done(site, "articles", "restore", "ferry")
    done(site, "syndicate")
    assert "<title>The ferry returns after forty years</title>" in (site / "feeds" / "all.rss").read_text()
    assert call(site, "articles", "restore", "ferry").exit_code == 4


def test_why_names_each_edition_that_told_of_it(site: Path) -> None:
    done(site, "subscribers", "add", "ben@mail.example")
    done(site, "send", "daily", "--now", "--as", "first")
    done(site, "articles", "retract", "ferry", "--note", "There was no ferry.")
    done(site, "send", "daily", "--now", "--as", "withdrawn")
    done(site, "articles", "restore", "ferry")
    done(site, "send", "daily", "--now", "--as", "back")
    rules = {output: one["rule"] for output, one in told(site, "ferry", "--newsletter", "daily").items()}
    editions = [output for output in rules if output.startswith("edition:")]
    assert editions == [f"edition:daily/manual:{name}" for name in ("first", "withdrawn", "back")]
    assert rules["edition:daily/manual:first"] == "new since the last edition"
    assert rules["edition:daily/manual:withdrawn"].startswith("withdrawn since it was sent")
    assert rules["edition:daily/manual:back"].startswith("published again since it was sent as withdrawn")


def test_a_correction_reaches_the_feeds(site: Path) -> None:
    done(site, "syndicate")
    done(site, "articles", "correct", "ferry", "--note", "The boat carries fifty people.")
    article = as_json(site, "why", "ferry")["article"]
    assert (article["revision"], article["kind"]) == (2, "correction")
    assert "corrected: The boat carries fifty people." in done(site, "why", "ferry")
    done(site, "syndicate")
    assert "The boat carries fifty people." in (site / "feeds" / "all.atom").read_text()
    assert "needs words" in call(site, "articles", "correct", "ferry", "--note", " ").stderr


def test_what_an_edition_took_and_what_holds_for_the_next_are_told_apart(site: Path) -> None:
    done(site, "subscribers", "add", "ben@mail.example")
    done(site, "send", "daily", "--now")
    decisions = told(site, "ferry", "--newsletter", "daily")
    assert {output: (one["included"], one["rule"]) for output, one in decisions.items()} == {
        "edition:daily/daily:2026-11-22": (True, "new since the last edition"),
        "newsletter:daily": (False, "already sent in The Daily (revision 1)"),
    }
