"""`publisher subscribers`: who reads."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from starlette.testclient import TestClient

from publisher.app import App
from publisher.model import Suppression, SuppressionReason
from publisher.web import application
from tests.cli.calling import NOW, as_json, call, change, done, letters, many, newsroom
from tests.fakes.smtp import Fault, SmtpServer
from tests.sites import TestClock, addressees, mailbox, open_site

WEEKLY = """
[[newsletters]]
slug = "weekly"
name = "The Weekly"
sender = "weekly@harbour-gazette.example"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def emails(site: Path, *words: str) -> list[str]:
    return [reader["email"] for reader in as_json(site, "subscribers", "list", *words)["subscribers"]]


def test_an_import_reports_what_it_did_and_again_changes_nothing(site: Path) -> None:
    assert "2 lines read, 2 added, 0 refused" in done(site, "subscribers", "import", site / "subscribers.csv")
    assert "2 known" in done(site, "subscribers", "import", site / "subscribers.csv")
    assert emails(site, "--status", "confirmed") == ["ben@mail.example"]


def test_every_refused_line_is_reported_and_the_rest_is_kept(site: Path, tmp_path: Path) -> None:
    """One line in a hundred is garbage."""
    lines = many(3000).splitlines()
    lines[100::100] = ["no address", "x@", "\0\0\0", "@mail.example", "a@b@c.example"] * 6
    (tmp_path / "readers.csv").write_text("\n".join(lines))
    result = call(site, "subscribers", "import", tmp_path / "readers.csv", "--refused", tmp_path / "refused.csv")
    assert result.exit_code == 1
    assert "3,000 lines read, 2,970 added, 30 refused" in result.stdout
    assert "... and 10 more" in result.stdout
    with (tmp_path / "refused.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows[:2]] == ["line 101", "line 201"]
    assert len(rows) == 30
    assert all(row["reason"] for row in rows)


def test_a_file_without_addresses_is_a_wrong_call(site: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("name;mail\nBen;ben@mail.example\n")
    result = call(site, "subscribers", "import", tmp_path / "notes.csv")
    assert result.exit_code == 2
    assert "'email'" in result.stderr
    assert "it has name, mail" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_spreadsheet_may_part_cells_otherwise(site: Path, tmp_path: Path, mark: str) -> None:
    (tmp_path / "readers.csv").write_text(f"email{mark}name\nzoe@mail.example{mark}Byrne, Zoe\n")
    done(site, "subscribers", "import", tmp_path / "readers.csv")
    assert as_json(site, "subscribers", "list")["subscribers"][0]["name"] == "Byrne, Zoe"


def test_a_quotation_mark_that_is_not_closed_is_told(site: Path, tmp_path: Path) -> None:
    (tmp_path / "readers.csv").write_text(
        'email,name\n"zoe@mail.example,Zoe\nben@mail.example,"Ben"\nai@mail.example,\n'
    )
    result = call(site, "subscribers", "import", tmp_path / "readers.csv")
    assert "quotation mark is not closed" in result.stdout
    assert emails(site) == ["ai@mail.example"]


def test_a_file_that_is_not_there(site: Path) -> None:
    result = call(site, "subscribers", "import", site / "nowhere.csv")
    assert result.exit_code == 1
    assert "nowhere.csv: there is no such file" in result.stderr


@pytest.mark.parametrize(
    "data",
    [
        "email,name\njosé@mail.example,José Núñez\n".encode(),
        codecs.BOM_UTF8 + "email,name\njosé@mail.example,José Núñez\n".encode(),
        "email,name\njose@mail.example,José Núñez\n".encode("cp1252"),
        "email,name\r\njose@mail.example,José Núñez\r\n".encode("utf-16"),
    ],
    ids=["utf-8", "utf-8 with a mark", "windows-1252", "utf-16"],
)
def test_a_file_in_any_encoding_a_spreadsheet_writes(site: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "readers.csv").write_bytes(data)
    done(site, "subscribers", "import", tmp_path / "readers.csv")
    assert as_json(site, "subscribers", "list")["subscribers"][0]["name"] == "José Núñez"


def test_which_newsletter_is_asked_when_there_are_two(site: Path) -> None:
    change(site, "[[mailers]]", WEEKLY + "\n[[mailers]]")
    result = call(site, "subscribers", "import", site / "subscribers.csv")
    assert result.exit_code == 2
    assert "daily, weekly" in result.stderr
    done(site, "subscribers", "import", site / "subscribers.csv", "--newsletter", "weekly")
    assert emails(site, "--newsletter", "weekly", "--status", "confirmed") == ["ben@mail.example"]
    assert emails(site, "--newsletter", "daily") == []


def test_an_export_is_read_back(site: Path, tmp_path: Path) -> None:
    done(site, "subscribers", "import", site / "subscribers.csv")
    done(site, "subscribers", "export", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == done(site, "subscribers", "export")
    other = newsroom(tmp_path / "other")
    done(other, "subscribers", "import", tmp_path / "out.csv")
    assert as_json(other, "subscribers", "list")["newsletters"] == {"daily": {"confirmed": 1, "pending": 1}} | {
        "daily": as_json(site, "subscribers", "list")["newsletters"]["daily"]
    }


def test_a_failed_export_leaves_the_file_before(site: Path, tmp_path: Path) -> None:
    result = call(site, "subscribers", "export", tmp_path / "nowhere" / "out.csv")
    assert result.exit_code == 1
    assert f"{tmp_path / 'nowhere'}: there is no such file or folder" in result.stderr
    assert list(tmp_path.iterdir()) == [site]


def test_one_reader_is_added_and_removed(site: Path) -> None:
    assert "now reads daily" in done(site, "subscribers", "add", "zoe@mail.example", "--name", "Zoë Byrne")
    assert "has already got daily" in done(site, "subscribers", "add", "zoe@mail.example")
    assert "has left daily" in done(site, "subscribers", "remove", "ZOE@mail.example")
    assert "had already left" in done(site, "subscribers", "remove", "zoe@mail.example")


def test_who_left_is_not_brought_back(site: Path) -> None:
    done(site, "subscribers", "add", "zoe@mail.example")
    done(site, "subscribers", "remove", "zoe@mail.example")
    result = call(site, "subscribers", "add", "zoe@mail.example")
    assert result.exit_code == 4
    assert "only they can come back" in result.stderr
    assert "subscribers add zoe@mail.example --ask`" in result.stderr
    assert emails(site, "--status", "confirmed") == []


# ---------------------------------------------------------------- asking first


def test_who_is_asked_is_pending_until_they_say_yes(site: Path) -> None:
    assert "zoe@mail.example has been asked" in done(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert emails(site, "--status", "pending") == ["zoe@mail.example"]
    assert [str(message["Subject"]) for message in mailbox(site)] == ["Please confirm: The Daily"]
    assert "ends after 7 days" in text_of(site)

    say_yes(site)

    assert emails(site, "--status", "confirmed") == ["zoe@mail.example"]
    assert "has already got daily" in done(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert len(letters(site)) == 1


def test_one_mail_a_day_however_often_somebody_is_asked(site: Path) -> None:
    for _ in range(3):
        said = done(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert "was asked on Sun 22 Nov, 10:01; nobody is asked twice a day" in said
    assert addressees(site) == ["zoe@mail.example"]
    done(site, "subscribers", "add", "nora@mail.example", "--ask")
    done(site, "subscribers", "add", "zoe@mail.example", "--ask", at=NOW + timedelta(days=1))
    assert addressees(site) == ["nora@mail.example", "zoe@mail.example", "zoe@mail.example"]


def test_who_left_is_asked_and_stays_away_until_they_say_yes(site: Path) -> None:
    done(site, "subscribers", "add", "zoe@mail.example")
    done(site, "subscribers", "remove", "zoe@mail.example")
    asked = as_json(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert (asked["newsletters"], asked["new"], asked["asked"]) == ({"daily": "unsubscribed"}, False, "sent")
    assert emails(site, "--status", "unsubscribed") == ["zoe@mail.example"]
    say_yes(site)
    assert emails(site, "--status", "confirmed") == ["zoe@mail.example"]


def test_who_has_not_said_yes_is_not_told_to_be_a_reader(site: Path) -> None:
    done(site, "subscribers", "add", "zoe@mail.example", "--ask")
    said = done(site, "subscribers", "add", "zoe@mail.example")
    assert "has not confirmed daily yet" in said
    assert "subscribers add zoe@mail.example --ask`" in said


def test_each_newsletter_asks_for_itself(site: Path) -> None:
    change(site, "[[mailers]]", WEEKLY + "\n[[mailers]]")
    for slug in ("daily", "weekly"):
        done(site, "subscribers", "add", "zoe@mail.example", "--ask", "--newsletter", slug)
    assert sorted(str(message["From"]) for message in mailbox(site)) == [
        "The Gazette <daily@harbour-gazette.example>",
        "weekly@harbour-gazette.example",
    ]
    say_yes(site, "weekly@")
    done(site, "subscribers", "remove", "zoe@mail.example", "--newsletter", "weekly")
    result = call(site, "subscribers", "add", "zoe@mail.example", "--newsletter", "weekly")
    assert "add zoe@mail.example --ask --newsletter weekly`" in result.stderr


def test_nobody_is_asked_with_a_link_that_leads_nowhere(site: Path) -> None:
    through_smtp(site, port=9)
    change(site, 'public_url = "https://news.harbour-gazette.example"\n', "")
    result = call(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert result.exit_code == 7
    assert "site.public_url is missing" in result.stderr
    assert emails(site) == []


def test_who_complained_is_not_asked(site: Path) -> None:
    with opened(site) as app:
        address_key = app.parts.keys.address("zoe@mail.example")
        app.parts.store.audience.suppress(
            Suppression(address_key=address_key, address=None, reason=SuppressionReason.COMPLAINT, since=NOW)
        )
    result = call(site, "subscribers", "add", "zoe@mail.example", "--ask")
    assert result.exit_code == 4
    assert "cannot be asked by mail: complaint" in result.stderr
    assert emails(site) == []
    assert letters(site) == []


def test_a_mail_that_does_not_leave_is_told_with_its_reason(site: Path) -> None:
    with SmtpServer() as server:
        through_smtp(site, port=server.port)
        server.plan(Fault("RCPT", reply="550 5.1.1 no such person", recipient="gone@mail.example"))
        server.plan(Fault("RCPT", reply="451 4.2.0 come back later", recipient="slow@mail.example"))
        gone = call(site, "subscribers", "add", "gone@mail.example", "--ask")
        slow = call(site, "subscribers", "add", "slow@mail.example", "--ask")
        assert (gone.exit_code, slow.exit_code) == (7, 7)
        assert "no such person" in gone.stderr
        assert "asked again tomorrow" in gone.stderr
        assert "come back later" in slow.stderr
        assert "`publisher run` tries again" in slow.stderr
        assert server.received == []
        again = done(site, "subscribers", "add", "slow@mail.example", "--ask", at=NOW + timedelta(minutes=30))
        assert "nobody is asked twice a day" in again
        assert [one.recipient for one in server.received] == ["slow@mail.example"]


def through_smtp(site: Path, *, port: int) -> None:
    change(site, 'kind = "maildir"', f'kind = "smtp"\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"')


@contextmanager
def opened(site: Path) -> Iterator[App]:
    app = open_site(site, TestClock(at=NOW))
    yield app
    app.close()


def text_of(site: Path, sender: str = "") -> str:
    """The plain text of the one mail that was sent, or of the one from this sender."""
    [message] = [one for one in mailbox(site) if sender in str(one["From"])]
    part = message.get_body(("plain",))
    assert part
    return str(part.get_content())


def say_yes(site: Path, sender: str = "") -> None:
    """What a reader does: open the link in the mail, and press its button."""
    [found] = re.findall(r"^https://news\.harbour-gazette\.example(/c/\S+)$", text_of(site, sender), re.MULTILINE)
    with time_machine.travel(NOW + timedelta(hours=1)), opened(site) as app:
        visitor = TestClient(application(app.parts))
        assert 'method="post"' in visitor.get(found).text
        assert "Welcome aboard" in visitor.post(found).text


def test_nobody_of_that_address(site: Path) -> None:
    result = call(site, "subscribers", "remove", "nobody@mail.example")
    assert result.exit_code == 4
    assert "nobody@mail.example" in result.stderr


def test_a_long_list_says_that_there_is_more(site: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(many(60))
    done(site, "subscribers", "import", tmp_path / "more.csv")
    assert "--limit 0 shows all" in done(site, "subscribers", "list")
    assert len(emails(site, "--limit", "0")) == 60


def test_what_a_spreadsheet_would_run_is_text_in_an_export_and_comes_back_as_it_was(site: Path, tmp_path: Path) -> None:
    odd = ["=ben@mail.example,=1+1", "+ben@mail.example,'Tis", "''=carla@mail.example,@sum"]
    (tmp_path / "odd.csv").write_text("\n".join(["email,name", *odd]))
    done(site, "subscribers", "import", tmp_path / "odd.csv")
    done(site, "subscribers", "export", tmp_path / "out.csv")
    cells = [cell for line in (tmp_path / "out.csv").read_text().splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    other = newsroom(tmp_path / "other")
    done(other, "subscribers", "import", tmp_path / "out.csv")
    here, there = (as_json(one, "subscribers", "list")["subscribers"] for one in (site, other))
    people = [("=ben@mail.example", "=1+1"), ("+ben@mail.example", "'Tis"), ("'=carla@mail.example", "@sum")]
    assert [(reader["email"], reader["name"]) for reader in here] == people
    assert [(reader["email"], reader["name"]) for reader in there] == people


def test_what_a_reader_wants_is_shown_and_changed(site: Path) -> None:
    change(site, "sender =", 'topics = ["category:*"]\ncadences = ["daily", "weekly"]\nsender =')
    done(site, "subscribers", "add", "zoe@mail.example")
    zoe = ("subscribers", "choose", "zoe@mail.example")
    assert done(site, *zoe) == "zoe@mail.example gets everything of daily\ndaily editions, with alerts\n"
    assert done(site, *zoe, "--topic", "category:Sport", "--cadence", "weekly", "--no-alerts") == (
        "zoe@mail.example gets category:Sport of daily\nweekly editions, without alerts\n"
    )
    assert as_json(site, *zoe, "--everything") == {
        "email": "zoe@mail.example",
        "newsletter": "daily",
        "topics": [],
        "cadence": "weekly",
        "alerts": False,
    }
    refused = call(site, *zoe, "--topic", "tag:x")
    assert refused.exit_code == 2
    assert "does not offer 'tag:x'" in refused.stderr
    assert call(site, "subscribers", "choose", "nobody@mail.example").exit_code == 4
