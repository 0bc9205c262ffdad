"""`publisher status`: how everything stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from publisher.app import open_app
from publisher.model import HubLease
from tests.cli.calling import NOW, as_json, call, change, done, newsroom


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def test_a_new_site_has_a_status(site: Path) -> None:
    report = as_json(site, "status")
    assert {"sources", "feeds", "newsletters", "editions"} <= set(report)
    assert report["sources"][0]["last_look_at"] is None
    assert report["newsletters"][0]["next_at"] == "2026-11-23T07:00:00+00:00"


def test_editions_come_newest_first_with_their_sums(site: Path) -> None:
    done(site, "run", "--once")
    done(site, "run", "--once", at=NOW + timedelta(days=1))
    report = as_json(site, "status", at=NOW + timedelta(days=1, hours=1))
    assert [edition["id"] for edition in report["editions"]] == ["daily/daily:2026-11-23", "daily/daily:2026-11-22"]
    assert [edition["state"] for edition in report["editions"]] == ["skipped", "done"]
    assert report["editions"][1]["sums"]["accepted"] == 1
    assert report["editions"][1]["sums"]["excluded"] == {"not confirmed": 1}
    assert {feed["slug"] for feed in report["feeds"]} == {"all", "section-news", "section-evening"}
    assert report["newsletters"][0]["readers"]["confirmed"] == 1


def test_for_people_it_says_when_and_in_how_long(site: Path) -> None:
    said = done(site, "status", at=NOW)
    assert "Mon 23 Nov, 07:00 Europe/Dublin  in 21 h" in said
    assert "Nothing waits." in said


def test_an_edition_that_did_not_go_is_told(site: Path) -> None:
    done(site, "collect", at=NOW - timedelta(days=1))
    report = as_json(site, "status")
    assert [late["edition"] for late in report["waiting"]["overdue"]] == ["daily/daily:2026-11-22"]
    assert "should have gone out" in done(site, "status")


def test_a_failing_source_is_told_with_its_reason(site: Path) -> None:
    done(site, "collect")
    change(site, 'path = "articles"', 'path = "artikel"')
    assert call(site, "collect").exit_code == 6
    assert "artikel" in as_json(site, "status")["sources"][0]["error"]


def test_what_is_left_out_of_a_source_is_told_with_its_reason(site: Path) -> None:
    assert "Left out" not in done(site, "status")
    (site / "articles" / "broken.md").write_text("---\ndate: yesterday\n---\nText.\n")
    done(site, "collect")
    (one,) = as_json(site, "status")["sources"][0]["refused"]
    assert (one["item"], "'yesterday'" in one["reason"]) == ("broken.md", True)
    told = done(site, "status")
    assert "Left out" in told
    assert "broken.md" in told
    assert "broken.md (newsroom) is left out since" in done(site, "why", "broken.md")
    assert as_json(site, "why", "broken.md")["refused"][0]["source"] == "newsroom"


def test_what_is_pushed_is_looked_for_nowhere(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = '[[sources]]\nslug = "program"\nkind = "push"\nwebhook_secret_env = "PUSH"\n\n[[feeds]]'
    change(site, '[[feeds]]\nslug = "all"', wire + '\nslug = "all"')
    monkeypatch.setenv("PUSH", "0123456789abcdef0123")
    done(site, "collect")
    (program,) = [one for one in as_json(site, "status")["sources"] if one["kind"] == "push"]
    assert (program["last_look_at"], program["next_look_at"]) == (None, None)
    (line,) = [line for line in done(site, "status").splitlines() if line.startswith("program")]
    assert line.split() == ["program", "push", "0"]


def test_hubs_are_told_with_what_they_promised_or_why_not(site: Path) -> None:
    assert "Hubs" not in done(site, "status")
    wire = '[[sources]]\nslug = "wire"\nkind = "syndication"\nurl = "https://wire.example/"\n\n[[feeds]]'
    change(site, '[[feeds]]\nslug = "all"', wire + '\nslug = "all"')
    done(site, "status")  # which takes the new source into the store
    store = open_app(site, {}).parts.store
    callback = "https://news.harbour-gazette.example/hooks/websub/k"
    hub = "https://hub.example/"
    store.hubs.want(HubLease(source="wire", topic="t", hub=hub, key="k", callback=callback, secret="s"), at=NOW)
    (there,) = store.hubs.wanted()
    assert as_json(site, "status")["hubs"][0]["until"] is None
    assert "not yet" in done(site, "status")

    store.hubs.confirmed(there.id, until=NOW + timedelta(days=10), renew=NOW + timedelta(days=7))
    assert "wire    https://hub.example/  until Wed 02 Dec, 10:00" in done(site, "status", at=NOW)

    store.hubs.asked(there.id, again=NOW, failures=3, error="the hub refuses: too many")
    later = NOW + timedelta(days=11)
    said = done(site, "status", at=later)
    assert "no more since Wed 02 Dec, 10:00" in said
    assert "the hub refuses: too many" in said


def test_an_edition_whose_template_is_broken_is_held(site: Path) -> None:
    template = site / "templates" / "digest" / "daily" / "subject.txt"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nobody.knows }}")
    assert call(site, "run", "--once").exit_code == 8
    assert [held["edition"] for held in as_json(site, "status")["waiting"]["held"]] == ["daily/daily:2026-11-22"]
    assert f"cannot leave: {template}, line 1" in done(site, "status")


def test_a_mailbox_for_bounces_is_tried_and_its_looks_are_counted(site: Path) -> None:
    box = site / "var" / "bounces"
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(parents=True)
    (box / "new" / "1764320000.quay").write_text("From: ben@mail.example\nSubject: Hello\n\nLovely.\n")
    with (site / "settings.toml").open("a") as settings:
        settings.write('\n[bounces]\nmailer = "maildir"\nkind = "maildir"\npath = "var/bounces"\n')
    assert f"bounces of maildir: {box}, 1 waiting" in done(site, "check")
    done(site, "run", "--once")
    (look,) = as_json(site, "status")["bounces"]
    assert (look["mailer"], look["events"], look["unreadable"], look["error"]) == ("maildir", 0, 1, "")
    assert "Bounces" in done(site, "status")


def test_each_cadence_has_the_readers_who_chose_it(site: Path) -> None:
    change(site, "sender =", 'cadences = ["daily", "weekly"]\nsender =')
    for name, cadence in (("ann", "daily"), ("ben", "weekly"), ("cleo", "weekly")):
        done(site, "subscribers", "add", f"{name}@reader.example")
        done(site, "subscribers", "choose", f"{name}@reader.example", "--cadence", cadence)
    (newsletter,) = as_json(site, "status")["newsletters"]
    by_cadence = {cadence: readers.get("confirmed") for cadence, readers in newsletter["readers_by_cadence"].items()}
    assert by_cadence == {"daily": newsletter["readers"]["confirmed"] - 2, "weekly": 2}
    said = done(site, "status")
    (weekly,) = [line for line in said.splitlines() if "daily (weekly)" in line]
    assert "2 confirmed" in weekly
