"""`publisher preflight`: what would arrive broken, in words; and an editor's word against a rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import as_json, call, done, letters, newsroom
from tests.preflight.test_support import published
from tests.sites import FERRY, write

EDITION = "daily/daily:2026-11-22"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = newsroom(tmp_path / "gazette")
    write(root, "news/ferry.txt", FERRY.replace("carries sixty people", "carries TK people"))
    (root / "articles" / "evening" / "lanterns.txt").unlink()
    done(root, "collect")
    done(root, "subscribers", "import", root / "subscribers.csv")
    return root


def test_what_would_go_is_looked_at_and_ends_with_its_own_code(site: Path) -> None:
    result = call(site, "preflight", "daily")
    assert result.exit_code == 10
    assert "placeholder (the HTML part): It says “TK”" in result.stdout
    assert "Correct the story." in result.stdout
    assert f"{EDITION} does not leave" in result.stdout


def test_a_blocked_edition_goes_once_an_editor_says_so_by_name(site: Path) -> None:
    blocked = call(site, "send", "daily", "--now")
    assert (blocked.exit_code, letters(site)) == (10, [])
    assert "placeholder" in blocked.stderr
    told = as_json(site, "preflight", EDITION, "--override", "placeholder")
    assert [one["rule"] for one in told["overrides"]] == ["placeholder"]
    assert told["overrides"][0]["by"].startswith("cli:")
    assert {one["level"] for one in told["findings"]} == {"warn"}
    done(site, "send", "daily")
    assert len(letters(site)) == 1


def test_one_reader_s_message_is_looked_at_with_their_own_link(site: Path) -> None:
    found = json.loads(call(site, "preflight", "daily", "--variant", "ben@mail.example", "--json").stdout)["findings"]
    assert {one["rule"] for one in found} == {"placeholder"}
    nobody = call(site, "preflight", "daily", "--variant", "nobody@mail.example")
    assert (nobody.exit_code, nobody.stdout) == (4, "")
    assert "no reader of daily" in nobody.stderr


def test_an_unknown_rule_and_an_unknown_edition_are_named(site: Path) -> None:
    call(site, "send", "daily", "--now")
    assert "there is no rule 'shouting'" in call(site, "preflight", EDITION, "--override", "shouting").stderr
    assert call(site, "preflight", "daily/daily:1999-01-01").exit_code == 4
    assert call(site, "preflight").exit_code == 2


def test_the_table_of_mail_programs_is_made_anew_and_used(site: Path, tmp_path: Path) -> None:
    one = {
        "slug": "html-p",
        "title": "<p> element",
        "category": "html",
        "stats": {"gmail": {"ios": {"2026-01": "n"}}},
    }
    data = tmp_path / "caniemail.json"
    data.write_bytes(published(one))
    said = done(site, "preflight", "--refresh-data", data)
    assert "101 features, as of 2026-03-01" in said
    result = call(site, "preflight", "daily", "--variant", "largest")
    assert "Gmail cannot do <p> element (2026-03-01)" in result.stdout
    data.write_text("{}")
    assert call(site, "preflight", "--refresh-data", data).exit_code == 1
    assert "Gmail cannot do <p> element" in call(site, "preflight", "daily").stdout
