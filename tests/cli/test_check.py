"""`publisher check`: everything that is wrong, at once, each with its remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import as_json, call, change, done, newsroom


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def test_a_good_site_has_one_line_for_each_thing(site: Path) -> None:
    lines = done(site, "check").splitlines()
    names = [line.split()[1].rstrip(":") for line in lines if line.startswith("ok ")]
    assert names == ["settings", "store", "folder", "source", "mailer", "newsletter", "template", "template"]


def test_every_problem_of_the_settings_comes_at_once(site: Path) -> None:
    change(site, 'timezone = "Europe/Dublin"', 'timezone = "Dublin"\ncolour = "blue"')
    change(site, 'kind = "maildir"', 'kind = "pigeon"')
    result = call(site, "check", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 3
    assert {problem["key"] for problem in report["problems"]} == {
        "site.timezone",
        "site.colour",
        "mailers[maildir].kind",
    }
    assert all(problem["remedy"] for problem in report["problems"])
    assert "Europe/Dublin" in call(site, "check").stderr


def test_a_folder_that_is_no_site_is_named_with_the_remedy(tmp_path: Path) -> None:
    result = call(tmp_path, "check")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"{tmp_path}/settings.toml: there is no such file")
    assert "publisher init DIR" in result.stderr


def test_one_failure_does_not_hide_another(site: Path) -> None:
    change(site, 'path = "articles"', 'path = "artikel"')
    template = site / "templates" / "digest" / "daily" / "body.txt"
    template.parent.mkdir(parents=True)
    template.write_text("{{ titel }}\n")
    result = call(site, "check", "--json")
    failed = {check["name"]: check["detail"] for check in json.loads(result.stdout)["checks"] if not check["ok"]}
    assert set(failed) == {"source newsroom", "template digest/daily"}
    assert str(template) in failed["template digest/daily"]
    assert result.exit_code == 1


def test_mail_that_readers_could_not_leave_is_named(site: Path) -> None:
    change(site, 'kind = "maildir"', 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"')
    change(site, 'public_url = "https://news.harbour-gazette.example"\n', "")
    report = json.loads(call(site, "check", "--json").stdout)
    failed = {check["name"]: check["detail"] for check in report["checks"] if not check["ok"]}
    assert "site.public_url is missing" in failed["newsletter daily"]
    assert "127.0.0.1:9" in failed["mailer maildir"]


def test_a_store_that_cannot_be_opened_is_one_line(site: Path) -> None:
    (site / "var").mkdir()
    (site / "var" / "publisher.db").write_text("this is a shopping list\n" * 100)
    result = call(site, "check")
    assert result.exit_code == 5
    assert "failed store: " in result.stdout
    assert "Traceback" not in result.output


def test_a_site_is_only_looked_at(site: Path) -> None:
    done(site, "check")
    assert as_json(site, "status")["editions"] == []
    assert list((site / "feeds").glob("*.rss")) == []
