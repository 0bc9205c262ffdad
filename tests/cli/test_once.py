"""`publisher run --once`: the main job, once; and once more."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.calling import NOW, as_json, call, change, done, letters, newsroom
from tests.sites import FERRY, write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def test_a_pass_names_files_to_open_and_the_next_command(site: Path) -> None:
    said = done(site, "run", "--once")
    listed = said.partition("Open these:\n")[2].partition("\n\n")[0]
    feed, page, letter = (Path(line.split()[0]) for line in listed.splitlines())
    assert feed == site / "feeds" / "all.rss"
    assert feed.is_file()
    assert page.suffix == ".html"
    assert [letter] == letters(site)
    assert "1 reader: 1 accepted; left out: 1 not confirmed" in said
    assert "Next: publisher --site" in said


def test_the_previewed_edition_can_be_opened(site: Path) -> None:
    pages = [Path(name) for name in as_json(site, "run", "--once")["files"] if name.endswith(".html")]
    text = pages[0].read_text(encoding="utf-8")
    assert "The ferry returns after forty years" in text
    assert "xPUBLISHERx" not in text
    assert "https://news.harbour-gazette.example/u/preview" in text


def test_a_second_pass_says_nothing_new_and_mails_nobody(site: Path) -> None:
    done(site, "run", "--once")
    first = letters(site)
    said = done(site, "run", "--once")
    assert "Nothing new" in said
    assert "has already gone out" in said
    assert letters(site) == first


def test_nothing_new_the_next_day_mails_nobody(site: Path) -> None:
    done(site, "run", "--once")
    said = done(site, "run", "--once", at=NOW + timedelta(days=1))
    assert "daily/daily:2026-11-23 is skipped: nothing new" in said
    assert "Nothing new" in said
    assert len(letters(site)) == 1


def test_a_fresh_site_mails_in_five_years_too(site: Path) -> None:
    report = as_json(site, "run", "--once", at=NOW + timedelta(days=5 * 365 + 1))
    assert report["editions"][0]["sums"]["accepted"] == 1
    assert "2031-" in report["editions"][0]["id"]
    assert not report["nothing_new"]


def test_what_is_new_the_next_day_is_mailed(site: Path) -> None:
    done(site, "run", "--once")
    write(site, "news/storm.txt", FERRY.replace("The ferry returns", "The storm returns"))
    report = as_json(site, "run", "--once", at=NOW + timedelta(days=1))
    assert [source["new"] for source in report["sources"]] == [1]
    assert "storm" in report["editions"][0]["subject"].lower()
    assert len(letters(site)) == 2


def test_readers_in_the_site_are_taken_only_while_nobody_subscribed(site: Path) -> None:
    assert as_json(site, "run", "--once")["readers"] == 2
    done(site, "subscribers", "remove", "ben@mail.example")
    assert as_json(site, "run", "--once")["readers"] == 0
    assert "ben@mail.example" not in done(site, "subscribers", "list", "--status", "confirmed")


def test_an_unreachable_source_does_not_keep_back_the_others(site: Path) -> None:
    change(
        site,
        '[[feeds]]\nslug = "all"',
        '[[sources]]\nslug = "wire"\nkind = "syndication"\nurl = "http://127.0.0.1:9/feed"\nallow_private = true\n\n'
        '[[feeds]]\nslug = "all"',
    )
    result = call(site, "run", "--once")
    assert result.exit_code == 6
    assert "127.0.0.1:9" in result.stderr
    assert len(letters(site)) == 1
    assert "check" in result.stdout.splitlines()[-1]


def test_a_broken_template_names_file_and_line_and_is_mended(site: Path) -> None:
    template = site / "templates" / "digest" / "daily" / "body.html"
    template.parent.mkdir(parents=True)
    template.write_text("<p>\n{% if %}\n")
    result = call(site, "run", "--once")
    assert result.exit_code == 8
    assert f"{template}, line 2" in result.stderr
    assert (site / "feeds" / "all.rss").is_file()
    assert letters(site) == []

    template.unlink()
    assert as_json(site, "run", "--once")["editions"][0]["sums"]["accepted"] == 1


def test_a_pass_for_programs_is_one_document(site: Path) -> None:
    result = call(site, "run", "--once", "--json")
    report = json.loads(result.stdout)
    assert set(report) == {"readers", "sources", "feeds", "editions", "nothing_new", "files", "problems"}
    assert sorted(report["feeds"]["written"])[:2] == ["all.atom", "all.json"]
