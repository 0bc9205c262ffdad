"""`publisher send`: an editor's manual send."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.calling import NOW, as_json, call, change, done, letters, many, newsroom
from tests.sites import FERRY, addressees, mailbox, write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A newsroom whose articles are collected and whose readers are known."""
    root = newsroom(tmp_path / "gazette")
    done(root, "collect")
    done(root, "subscribers", "import", root / "subscribers.csv")
    return root


def test_the_edition_of_today_goes_now(site: Path) -> None:
    said = done(site, "send", "daily", "--now")
    assert "Readers  1 (left out: 1 not confirmed)" in said
    assert "Mailer   maildir" in said
    assert "1 reader: 1 accepted" in said
    assert addressees(site) == ["Ben Okafor <ben@mail.example"]
    assert as_json(site, "status")["editions"][0]["approved_by"].startswith("cli:")


def test_twice_is_once_and_says_so(site: Path) -> None:
    done(site, "send", "daily", "--now")
    said = done(site, "send", "daily", "--now")
    assert "has already gone out, Sun 22 Nov, 10:03" in said
    assert "--as NAME" in said
    assert len(letters(site)) == 1


def test_a_second_edition_has_a_name_and_goes_once(site: Path) -> None:
    done(site, "send", "daily", "--now")
    write(site, "news/storm.txt", FERRY.replace("The ferry", "The storm"))
    done(site, "collect")
    for _ in range(2):
        done(site, "send", "daily", "--now", "--as", "storm-extra")
    assert len(letters(site)) == 2
    assert as_json(site, "status")["editions"][0]["id"] == "daily/manual:storm-extra"


@pytest.mark.parametrize(("words", "said"), [(("--now", "--as", "Storm Extra"), "--as"), (("--as", "x"), "--now")])
def test_a_name_that_cannot_be_one(site: Path, words: tuple[str, ...], said: str) -> None:
    result = call(site, "send", "daily", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_nothing_new_is_no_edition(site: Path) -> None:
    done(site, "send", "daily", "--now")
    assert "nothing new" in done(site, "send", "daily", "--now", "--as", "again")
    assert len(letters(site)) == 1


def test_more_than_a_handful_is_asked_for_first(site: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(many(5))
    done(site, "subscribers", "import", tmp_path / "more.csv")
    result = call(site, "send", "daily", "--now")
    assert result.exit_code == 2
    assert "6 readers, and there is nobody to ask: add --yes" in result.stderr
    assert letters(site) == []
    done(site, "send", "daily", "--now", "--yes")
    assert len(letters(site)) == 6


def test_no_is_no(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more.csv").write_text(many(5))
    done(site, "subscribers", "import", tmp_path / "more.csv")
    monkeypatch.setattr("publisher.cli.console.may_ask", lambda: True)
    result = call(site, "send", "daily", "--now", input="n\n")
    assert result.exit_code == 1
    assert "Nothing was sent" in result.stderr
    assert as_json(site, "status")["editions"] == []
    assert "6 accepted" in call(site, "send", "daily", "--now", input="y\n").stdout


def test_a_rehearsal_writes_what_would_go_out_and_stores_nothing(site: Path) -> None:
    report = as_json(site, "send", "daily", "--dry-run")
    assert (report["readers"], report["files"], report["excluded"]) == (1, 1, {"not confirmed": 1})
    assert as_json(site, "status")["editions"] == []
    assert letters(site) == []

    (rehearsed,) = Path(report["folder"]).iterdir()
    done(site, "send", "daily", "--now")
    (sent,) = letters(site)
    assert undated(rehearsed.read_bytes()) == undated(sent.read_bytes())
    assert rehearsed.stat().st_mode & 0o077 == 0


def undated(message: bytes) -> list[bytes]:
    """A message but for the moment of its approval."""
    return [line for line in message.splitlines() if not line.startswith(b"Date: ")]


def test_a_rehearsal_has_one_file_for_every_reader(site: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(many(250))
    done(site, "subscribers", "import", tmp_path / "more.csv")
    folder = Path(as_json(site, "send", "daily", "--dry-run")["folder"])
    to = {line for path in folder.iterdir() for line in path.read_text().splitlines() if line.startswith("To: ")}
    assert len(to) == len(list(folder.iterdir())) == 251


def test_a_rehearsal_forgets_the_one_before(site: Path, tmp_path: Path) -> None:
    folder = Path(as_json(site, "send", "daily", "--dry-run")["folder"])
    done(site, "subscribers", "remove", "ben@mail.example")
    assert as_json(site, "send", "daily", "--dry-run")["readers"] == 0
    assert list(folder.iterdir()) == []


def test_a_test_goes_to_one_address_each_time_it_is_asked_for(site: Path) -> None:
    for _ in range(2):
        done(site, "send", "daily", "--test", "aoife@harbour-gazette.example")
    assert addressees(site) == ["aoife@harbour-gazette.example"] * 2
    assert all(str(message["Subject"]).startswith("[Test] The ferry") for message in mailbox(site))
    assert as_json(site, "status")["editions"] == []


def test_a_test_that_its_mailer_may_not_be_given_today_says_when_it_leaves(site: Path) -> None:
    change(site, 'kind = "maildir"', 'kind = "maildir"\nper_day = 1')
    done(site, "send", "daily", "--test", "aoife@harbour-gazette.example")
    said = call(site, "send", "daily", "--test", "aoife@harbour-gazette.example")
    assert said.exit_code != 0
    assert "the test waits, and leaves by itself" in said.stderr
    assert "maildir grant no more before Mon 23 Nov, 00:00" in " ".join(said.stderr.split())
    assert addressees(site) == ["aoife@harbour-gazette.example"]


def test_a_test_can_be_had_when_nothing_is_new(site: Path) -> None:
    done(site, "send", "daily", "--now")
    said = done(site, "send", "daily", "--test", "aoife@harbour-gazette.example")
    assert "went out already" in said
    assert sorted(addressees(site)) == ["Ben Okafor <ben@mail.example", "aoife@harbour-gazette.example"]


def test_an_approved_edition_that_could_not_leave_is_asked_for_too(site: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(many(5))
    done(site, "subscribers", "import", tmp_path / "more.csv")
    change(site, 'kind = "maildir"', 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"')
    change(site, 'public_url = "https://news.harbour-gazette.example"\n', "")
    said = call(site, "run", "--once")
    assert "nobody has been mailed yet" in said.stdout
    assert "cannot leave: site.public_url is missing" in done(site, "status")
    change(site, 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"', 'kind = "maildir"')
    assert call(site, "send", "daily", "--now").exit_code == 2
    assert letters(site) == []
    done(site, "send", "daily", "--now", "--yes")
    assert len(letters(site)) == 6


def test_a_test_wants_an_address(site: Path) -> None:
    assert call(site, "send", "daily", "--test", "aoife").exit_code == 2


def test_mail_that_readers_could_not_leave_does_not_leave(site: Path) -> None:
    change(site, 'kind = "maildir"', 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"')
    change(site, 'public_url = "https://news.harbour-gazette.example"\n', "")
    for words in (("--now",), ("--test", "aoife@harbour-gazette.example")):
        result = call(site, "send", "daily", *words)
        assert result.exit_code == 7
        assert "site.public_url is missing" in result.stderr
    assert as_json(site, "status")["editions"] == []


def test_a_mail_server_that_is_away_is_told_and_the_next_command_goes_on(site: Path) -> None:
    change(site, 'kind = "maildir"', 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"')
    result = call(site, "send", "daily", "--now")
    assert result.exit_code == 7
    assert "1 waiting" in result.stdout
    change(site, 'kind = "smtp"\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"', 'kind = "maildir"')
    done(site, "deliver", at=NOW + timedelta(hours=3))
    assert len(letters(site)) == 1


def test_without_now_it_says_when_the_newsletter_goes(site: Path) -> None:
    said = done(site, "send", "daily")
    assert "Mon 23 Nov, 07:00 Europe/Dublin" in said
    assert letters(site) == []


def test_an_edition_that_waits_for_an_editor_is_approved(site: Path) -> None:
    change(site, 'name = "The Daily"', 'name = "The Daily"\napproval = "editor"')
    tomorrow = NOW + timedelta(days=1)
    report = as_json(site, "compose", "daily", at=tomorrow)
    assert report["edition"]["state"] in ("draft", "waiting")
    assert letters(site) == []
    said = done(site, "send", "daily", at=tomorrow + timedelta(minutes=1))
    assert "1 reader: 1 accepted" in said
    assert len(letters(site)) == 1


def test_an_undo_window_is_waited_for(site: Path) -> None:
    change(site, 'name = "The Daily"', 'name = "The Daily"\nundo = "30m"')
    assert "from Sun 22 Nov, 10:3" in done(site, "send", "daily", "--now")
    assert letters(site) == []
    done(site, "deliver", at=NOW + timedelta(hours=1))
    assert len(letters(site)) == 1


def test_a_broken_template_is_named_before_anything_is_made(site: Path) -> None:
    template = site / "templates" / "digest" / "daily" / "subject.txt"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nobody.knows }}")
    for words in (("send", "daily", "--now"), ("send", "daily", "--dry-run"), ("preview", "daily")):
        result = call(site, *words)
        assert result.exit_code == 8, words
        assert f"{template}, line 1" in result.stderr


def test_for_programs_it_is_one_document(site: Path) -> None:
    report = json.loads(call(site, "send", "daily", "--now", "--json").stdout)
    assert report["edition"]["sums"]["accepted"] == 1


def test_an_article_is_sent_alone_and_once_before_all_else(site: Path) -> None:
    first = done(site, "send", "daily", "--alert", "ferry", "--yes")
    assert "The ferry returns after forty years” (daily/alert:" in first
    assert "1 accepted" in first
    assert "has already gone out" in done(site, "send", "daily", "--alert", "ferry", "--yes")
    assert len(letters(site)) == 1
    both = call(site, "send", "daily", "--alert", "ferry", "--cadence", "daily")
    assert (both.exit_code, "goes to the readers of all cadences" in both.stderr) == (2, True)
    wrong = call(site, "send", "daily", "--now", "--cadence", "monthly")
    assert (wrong.exit_code, "choose one of daily" in wrong.stderr) == (2, True)


def test_of_an_alert_that_nobody_needs_it_is_said_why(site: Path) -> None:
    done(site, "subscribers", "choose", "ben@mail.example", "--no-alerts")
    nobody = done(site, "send", "daily", "--alert", "ferry", "--yes")
    assert "No alert of daily goes out, nobody would get it: 1 not confirmed, 1 without alerts." in nobody
    done(site, "subscribers", "choose", "ben@mail.example", "--alerts")
    done(site, "send", "daily", "--now", "--yes")
    had = done(site, "send", "daily", "--alert", "ferry", "--yes")
    assert "No alert of daily goes out: already sent in The Daily (revision 1)." in had
    assert len(letters(site)) == 1
