"""Who reads: what a file may change, and what only the reader may."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import audience
from publisher.audience import CONFIRM_WITHIN, Importer
from publisher.errors import BadToken, NotFound
from publisher.kit.tokens import KeyRing
from publisher.model import Refusal, Subscriber, Subscription, SubscriptionStatus, Suppression, SuppressionReason
from publisher.store import Database
from tests.people import NOW, newsletter

BEN = "ben.okafor@mail.example"
CONFIRMED, PENDING, UNSUBSCRIBED = (
    SubscriptionStatus.CONFIRMED,
    SubscriptionStatus.PENDING,
    SubscriptionStatus.UNSUBSCRIBED,
)


@pytest.fixture
def store(memory_store: Database) -> Database:
    memory_store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    return memory_store


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.load(tmp_path_factory.mktemp("keys") / "keys", {})


DAILY = newsletter("daily", topics=("category:Sport", "author:*"), cadences=("daily", "weekly"))


class Desk:
    """A file of readers is imported; what was refused is kept."""

    def __init__(self, store: Database, keys: KeyRing) -> None:
        self.store, self.keys = store, keys
        self.refused: list[Refusal] = []

    def take(self, *lines: str, default: tuple[str, ...] = ("daily",), rechoose: bool = False) -> dict[str, int]:
        importer = Importer(
            store=self.store,
            keys=self.keys,
            newsletters={one.slug: one for one in (DAILY, newsletter("weekly"))},
            default=default,
            origin="readers.csv",
            now=NOW,
            rechoose=rechoose,
        )
        return dict(importer.run([f"{line}\n" for line in lines], self.refused.append).outcomes)

    def reader(self, email: str = BEN) -> Subscriber:
        found = self.store.audience.by_email(email)
        assert found
        return found

    def held(self, email: str = BEN) -> dict[str, SubscriptionStatus]:
        return {one.newsletter: one.status for one in self.subscriptions(email)}

    def subscriptions(self, email: str = BEN) -> tuple[Subscription, ...]:
        return self.store.audience.subscriptions(self.reader(email).id)

    def leave(self, *, days: float = 0, how: str = "page") -> tuple[Subscriber, str]:
        token = self.keys.unsubscribe(self.reader().public_id, "daily")
        return audience.unsubscribe(self.store, self.keys, token, renamed={}, now=NOW + timedelta(days=days), how=how)

    def confirm(self, token: str, *, days: float = 0) -> tuple[Subscriber, str]:
        now = NOW + timedelta(days=days)
        return audience.confirm(self.store, self.keys, token, renamed={}, now=now, within=CONFIRM_WITHIN)

    def asked(self, newsletter: str = "daily") -> str:
        """The token of a confirmation mail."""
        return audience.confirmation_link(self.keys, self.reader(), newsletter, "").removeprefix("/c/")

    def suppress(self, reason: SuppressionReason) -> None:
        key = self.reader().address_key
        self.store.audience.suppress(Suppression(address_key=key, address=None, reason=reason, since=NOW))

    def way_back(self, *, days: float = 0) -> str:
        now = NOW + timedelta(days=days)
        return audience.way_back(self.store, self.keys, self.reader(), "daily", now=now)


@pytest.fixture
def desk(store: Database, keys: KeyRing) -> Desk:
    return Desk(store, keys)


# ---------------------------------------------------------------- import


def test_a_line_says_who_what_and_how(desk: Desk) -> None:
    desk.take(
        "Email,Name,Newsletters,Status,Language", f"{BEN},Ben Okafor,daily; weekly,Pending,en-IE", "nora@mail.example"
    )
    ben = desk.reader()
    assert (ben.name, ben.language, desk.held()) == ("Ben Okafor", "en-IE", {"daily": PENDING, "weekly": PENDING})
    assert desk.held("nora@mail.example") == {"daily": CONFIRMED}
    assert [one.evidence for one in desk.subscriptions("nora@mail.example")] == [{"imported": "readers.csv"}]


def test_addresses_that_differ_in_case_are_one_reader(desk: Desk) -> None:
    assert desk.take("email,newsletters", f"{BEN},daily", f"{BEN.upper()},weekly") == {"added": 1, "repeated": 1}
    assert desk.held() == {"daily": CONFIRMED, "weekly": CONFIRMED}
    assert desk.reader().email == BEN


def test_importing_again_changes_nothing(desk: Desk) -> None:
    desk.take("email,name,status", f"{BEN},Ben,pending")
    before = (desk.reader(), desk.subscriptions())
    assert desk.take("email,name,status", f"{BEN},Benjamin,confirmed") == {"known": 1}
    assert (desk.reader(), desk.subscriptions()) == before


@pytest.mark.parametrize("status", ["", "confirmed", "pending"])
def test_no_file_brings_back_who_left(desk: Desk, status: str) -> None:
    desk.take("email", BEN)
    desk.leave()
    assert desk.take("email,status", f"{BEN},{status}") == {"unsubscribed": 1}
    assert desk.held() == {"daily": UNSUBSCRIBED}


def test_a_file_can_tell_who_left_elsewhere(desk: Desk) -> None:
    desk.take("email,status", f"{BEN},unsubscribed")
    assert desk.take("email", BEN) == {"unsubscribed": 1}
    assert desk.held() == {"daily": UNSUBSCRIBED}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",Ben,daily,", "there is no address"),
        ("ben at mail.example,Ben,daily,", "@-sign"),
        (f"{BEN},Ben,evening,", "there is no newsletter 'evening'; there is daily, weekly"),
        (f"{BEN},Ben,daily,maybe", "the status 'maybe' is none of pending, confirmed, unsubscribed"),
    ],
)
def test_a_line_that_is_refused_says_why_and_the_others_are_kept(desk: Desk, line: str, reason: str) -> None:
    desk.take("email,name,newsletters,status", "nora@mail.example,,daily,", line)
    [refusal] = desk.refused
    assert (refusal.item, desk.held("nora@mail.example")) == ("line 3", {"daily": CONFIRMED})
    assert reason in refusal.reason
    assert desk.store.audience.by_email(BEN) is None


def test_a_file_without_addresses_is_refused_whole(desk: Desk) -> None:
    with pytest.raises(ValueError, match="one of them must be 'email'; it has name, mail"):
        desk.take("name,mail", f"Ben,{BEN}")


def test_a_time_zone_that_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match="no time zone 'Europe/Kilmarnagh'"):
        audience.zone("Europe/Kilmarnagh")
    assert audience.zone(" Europe/Dublin ") == "Europe/Dublin"


HEAD = "email,newsletters,topics,cadence,alerts"


def test_a_file_says_what_readers_want(desk: Desk) -> None:
    desk.take(HEAD, f"{BEN},,category: sport;author:Niamh Casey;CATEGORY:Sport,Weekly,no", "nora@mail.example,,,daily,")
    (ben,), (nora,) = desk.subscriptions(), desk.subscriptions("nora@mail.example")
    assert (ben.topics, ben.cadence, ben.alerts) == (("author:Niamh Casey", "category:Sport"), "weekly", False)
    assert (nora.topics, nora.cadence, nora.alerts) == ((), "", True), "the newsletter's own cadence is no choice"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{BEN},,category:Chess,,", "does not offer 'category:Chess'; there is category:Sport, author:*"),
        (f"{BEN},,category:*,,", "does not offer 'category:*'"),
        (f"{BEN},,Sport,,", "'Sport' is no topic; write category, author, tag or source, a colon and its name"),
        (f"{BEN},weekly,tag:x,,", "does not offer 'tag:x', nor any other topic"),
        (f"{BEN},,,hourly,", "daily has no cadence 'hourly'; it has daily, weekly"),
        (f"{BEN},,,,perhaps", "alerts is 'perhaps'; write yes or no"),
    ],
)
def test_what_a_newsletter_does_not_offer_is_refused(desk: Desk, line: str, reason: str) -> None:
    desk.take(HEAD, line)
    [refusal] = desk.refused
    assert reason in refusal.reason
    assert desk.store.audience.by_email(BEN) is None


def test_a_file_may_say_anew_what_known_readers_want(desk: Desk) -> None:
    desk.take(HEAD, f"{BEN},,category:Sport,,", "nora@mail.example,,,,no")
    desk.take("email,name", f"{BEN},Ben", rechoose=True)
    (ben,) = desk.subscriptions()
    assert ben.topics == ("category:Sport",), "a file without these columns says nothing of it"
    again = desk.take(HEAD, f"{BEN},,author:Niamh Casey,weekly,no", "nora@mail.example,,,,", rechoose=True)
    (ben,), (nora,) = desk.subscriptions(), desk.subscriptions("nora@mail.example")
    assert again == {"known": 2}
    assert (ben.topics, ben.cadence, ben.alerts) == (("author:Niamh Casey",), "weekly", False)
    assert (nora.topics, nora.cadence, nora.alerts) == ((), "", True)


# ---------------------------------------------------------------- export


def test_what_readers_want_is_exported_and_read_back(desk: Desk) -> None:
    desk.take(HEAD, f"{BEN},daily,author:Niamh Casey;category:Sport,weekly,no")
    before, file = desk.subscriptions(), io.StringIO()
    audience.export(desk.store, file)
    assert file.getvalue().splitlines()[1] == f"{BEN},,daily,confirmed,,,author:Niamh Casey;category:Sport,weekly,no"
    desk.store.audience.choose(desk.reader().id, "daily", topics=(), cadence="", alerts=True)
    assert desk.take(*file.getvalue().splitlines()) == {"known": 1}
    assert desk.subscriptions() != before, "what readers have chosen since stays"


def test_an_export_tells_each_status_and_is_read_back(desk: Desk, keys: KeyRing) -> None:
    zone = "America/New_York"
    desk.take(
        "email,name,newsletters,language,timezone", f"{BEN},Ben,daily;weekly,en,{zone}", "nora@mail.example,,weekly,,"
    )
    desk.leave()
    file = io.StringIO()
    assert audience.export(desk.store, file) == 2
    assert sorted(file.getvalue().splitlines()[1:]) == [
        f"{BEN},Ben,daily,unsubscribed,en,{zone},,,",
        f"{BEN},Ben,weekly,confirmed,en,{zone},,,",
        "nora@mail.example,,weekly,confirmed,,,,,",
    ]
    assert desk.take(*file.getvalue().splitlines()) == {"unsubscribed": 1, "known": 1, "repeated": 1}


def test_an_export_of_one_newsletter_has_its_readers_only(desk: Desk) -> None:
    desk.take("email,newsletters", f"{BEN},daily;weekly", "nora@mail.example,weekly")
    file = io.StringIO()
    assert audience.export(desk.store, file, newsletter="daily") == 1
    assert file.getvalue() == f"{','.join(audience.COLUMNS)}\n{BEN},,daily,confirmed,,,,,\n"


# ---------------------------------------------------------------- leaving


def test_a_link_ends_one_subscription_and_keeps_why(desk: Desk) -> None:
    desk.take("email,newsletters", f"{BEN},daily;weekly")
    assert desk.leave(how="one-click") == (desk.reader(), "daily")
    assert desk.held() == {"daily": UNSUBSCRIBED, "weekly": CONFIRMED}
    assert desk.subscriptions()[0].evidence == {"unsubscribed": "one-click"}


def test_leaving_twice_is_leaving_once(desk: Desk) -> None:
    desk.take("email", BEN)
    desk.leave()
    before = desk.subscriptions()
    desk.leave(days=3, how="one-click")
    assert desk.subscriptions() == before


@pytest.mark.parametrize("token", ["", "forged", "A" * 60])
def test_a_link_that_is_not_ours_ends_nothing(desk: Desk, token: str) -> None:
    desk.take("email", BEN)
    with pytest.raises(BadToken):
        audience.unsubscribe(desk.store, desk.keys, token, renamed={}, now=NOW, how="page")
    assert desk.held() == {"daily": CONFIRMED}


def test_an_editor_removes_by_address_and_only_what_there_is(desk: Desk) -> None:
    desk.take("email", BEN)

    def remove(email: str) -> tuple[str, ...]:
        return audience.remove(desk.store, email, ["daily", "weekly"], now=NOW, how="cli:aoife")

    assert remove(BEN.upper()) == ("daily",)
    assert remove(BEN) == ()
    with pytest.raises(NotFound, match=r"nobody with the address nobody@mail\.example"):
        remove("nobody@mail.example")
    with pytest.raises(ValueError, match="@-sign"):
        remove("nobody")


# ---------------------------------------------------------------- confirming


@pytest.mark.parametrize("before", [PENDING, UNSUBSCRIBED])
def test_who_confirms_reads_it_also_after_leaving(desk: Desk, before: SubscriptionStatus) -> None:
    desk.take("email,status", f"{BEN},{before}")
    assert desk.confirm(desk.asked()) == (desk.reader(), "daily")
    assert desk.held() == {"daily": CONFIRMED}
    assert desk.subscriptions()[0].evidence == {"confirmed": "link in the confirmation mail"}


def test_confirming_again_keeps_the_first_consent(desk: Desk) -> None:
    desk.take("email,status", f"{BEN},pending")
    token = desk.asked()
    desk.confirm(token)
    before = desk.subscriptions()
    desk.confirm(token, days=3)
    assert desk.subscriptions() == before


@pytest.mark.parametrize("reason", [SuppressionReason.COMPLAINT, SuppressionReason.HARD_BOUNCE])
def test_a_confirmation_lifts_no_suppression(desk: Desk, reason: SuppressionReason) -> None:
    desk.take("email", BEN)
    desk.leave()
    desk.suppress(reason)
    desk.confirm(desk.asked())
    [candidate] = desk.store.audience.recipients("daily", [desk.reader().id]).values()
    assert (candidate.status, candidate.suppressed) == (CONFIRMED, reason)


def test_nobody_confirms_a_newsletter_they_were_never_asked_about(desk: Desk) -> None:
    desk.take("email", BEN)
    with pytest.raises(NotFound):
        desk.confirm(desk.asked("weekly"))
    assert desk.held() == {"daily": CONFIRMED}


def test_a_link_to_confirm_is_good_for_a_week_and_for_nothing_else(desk: Desk, tmp_path: Path) -> None:
    desk.take("email,status", f"{BEN},pending")
    path = tmp_path / "keys"
    long_ago = KeyRing.load(path, {}, clock=lambda: time.time() - CONFIRM_WITHIN.total_seconds() - 60)
    old = audience.confirmation_link(long_ago, desk.reader(), "daily", "").removeprefix("/c/")
    desk.keys = KeyRing.load(path, {})
    for token in (old, desk.keys.unsubscribe(desk.reader().public_id, "daily"), "forged"):
        with pytest.raises(BadToken):
            desk.confirm(token)
    assert desk.held() == {"daily": PENDING}


# ---------------------------------------------------------------- the way back


def test_who_has_just_left_can_undo_it(desk: Desk) -> None:
    desk.take("email", BEN)
    desk.leave()
    desk.confirm(desk.way_back().removeprefix("/c/"))
    assert desk.held() == {"daily": CONFIRMED}
    assert desk.subscriptions()[0].evidence == {"confirmed": "button after leaving"}


def test_who_left_long_ago_or_not_at_all_has_nothing_to_undo(desk: Desk) -> None:
    desk.take("email", BEN)
    assert desk.way_back() == ""
    desk.leave()
    desk.leave(days=6)
    assert desk.way_back(days=6) != ""
    assert desk.way_back(days=7) == ""


def test_who_gets_no_mail_all_the_same_is_offered_none(desk: Desk) -> None:
    desk.take("email", BEN)
    desk.leave()
    desk.suppress(SuppressionReason.COMPLAINT)
    assert desk.way_back() == ""
