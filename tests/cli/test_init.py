"""`publisher init`: a new site that works at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from publisher.settings import parse
from tests.cli.calling import as_json, call, done, letters
from tests.fakes.newsroom import Newsroom


def test_a_sample_site_passes_its_check_and_mails_its_readers(tmp_path: Path) -> None:
    site = tmp_path / "gazette"
    said = done(tmp_path, "init", site)
    assert f"publisher --site {site} check" in said
    assert {"settings.toml", "articles", "feeds", "templates", ".gitignore", "subscribers.csv"} <= {
        path.name for path in site.iterdir()
    }
    assert "var/" in (site / ".gitignore").read_text()
    assert as_json(site, "check")["ok"]
    done(site, "run", "--once")
    assert letters(site)


def test_an_occupied_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = call(tmp_path, "init", tmp_path)
    assert result.exit_code == 1
    assert "not empty; name a new folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_site_behind_an_address_is_found(tmp_path: Path) -> None:
    site = tmp_path / "gazette"
    with Newsroom() as there:
        there.publish("ferry", "Ferry returns", "The ferry sails again.")
        said = done(tmp_path, "init", site, "--from", there.url, "--allow-private")
        assert "WordPress, 1 article" in said
        settings = tomllib.loads((site / "settings.toml").read_text())
        assert settings["site"]["name"] == "The Harbour Gazette"
        assert [source["kind"] for source in settings["sources"]] == ["wordpress"]
        report = as_json(site, "run", "--once")
    assert report["sources"] == [
        {"source": "website", "error": "", "new": 1, "changed": 0, "removed": 0, "returned": 0, "refused": 0}
    ]


def test_a_private_address_is_not_looked_at_unasked(tmp_path: Path) -> None:
    with Newsroom() as there:
        result = call(tmp_path, "init", tmp_path / "gazette", "--from", there.url)
    assert result.exit_code == 6
    assert "--allow-private" in result.stderr
    assert not (tmp_path / "gazette").exists()


@pytest.mark.parametrize("name", ['Ann "Anon" [site]\nurl = "x"', "Über {name} €", "\x1b[2J<script>"])
def test_whatever_a_site_calls_itself_the_settings_hold(tmp_path: Path, name: str) -> None:
    with Newsroom(title=name) as there:
        there.publish("ferry", "Ferry returns", "The ferry sails again.")
        done(tmp_path, "init", tmp_path / "site", "--from", there.url, "--allow-private")
    values = tomllib.loads((tmp_path / "site" / "settings.toml").read_text())
    assert parse(values, {}).site.url == there.url.rstrip("/")


def test_other_feeds_of_a_site_stand_there_as_comments(tmp_path: Path) -> None:
    feed = b'<rss version="2.0"><channel><title>Boats</title><item><title>A</title></item></channel></rss>'
    links = "".join(
        f'<link rel="alternate" type="application/rss+xml" href="/{name}.xml">' for name in ("all", "sport")
    )
    with Newsroom() as there:
        there.answer("/page", f"<html lang=de><title>Hafen</title>{links}".encode(), type="text/html")
        for name in ("all", "sport"):
            there.answer(f"/{name}.xml", feed, type="application/rss+xml")
        done(tmp_path, "init", tmp_path / "site", "--from", f"{there.url.rstrip('/')}/page", "--allow-private")
    text = (tmp_path / "site" / "settings.toml").read_text()
    values = tomllib.loads(text)
    assert values["site"]["language"] == "de"
    assert len(values["sources"]) == 1
    assert "# slug = " in text
