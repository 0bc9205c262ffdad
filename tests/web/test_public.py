"""Leaving and confirming. Who asks is a reader, a mail provider's machine, or a scanner of links."""

from __future__ import annotations

import shutil
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from publisher import audience, pipeline
from publisher.app import App
from publisher.kit.tokens import KeyRing
from publisher.model import EditionState, SubscriptionStatus, Suppression, SuppressionReason
from tests.sites import SETTINGS, TestClock, addressees, lay_out, open_site
from tests.web.conftest import client_of
from tests.web.readers import BEN, CARLA, back, confirmation, evidence, link, reader, status, token

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CONFIRMED, PENDING, UNSUBSCRIBED = (
    SubscriptionStatus.CONFIRMED,
    SubscriptionStatus.PENDING,
    SubscriptionStatus.UNSUBSCRIBED,
)


# ---------------------------------------------------------------- one click (RFC 8058)


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
def test_one_click_ends_the_subscription_at_once(app: App, client: TestClient, multipart: bool) -> None:
    body = {"files": {name: (None, value) for name, value in ONE_CLICK.items()}} if multipart else {"data": ONE_CLICK}
    answer = client.post(link(app), **body)

    assert (answer.status_code, answer.text) == (200, "You are unsubscribed.\n")
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert status(app) is UNSUBSCRIBED
    assert evidence(app) == {"unsubscribed": "one-click"}


def test_only_that_reader_leaves(app: App, client: TestClient) -> None:
    client.post(link(app), data=ONE_CLICK)

    assert status(app, "nora.lindqvist@mail.example") is CONFIRMED
    assert status(app, CARLA) is PENDING


def test_a_second_click_is_answered_alike_and_changes_nothing(app: App, client: TestClient, clock: TestClock) -> None:
    first = client.post(link(app), data=ONE_CLICK)
    left = app.parts.store.audience.subscriptions(1)
    clock.move(days=400)
    second = client.post(link(app), data=ONE_CLICK)

    assert (second.status_code, second.text) == (first.status_code, first.text)
    assert app.parts.store.audience.subscriptions(1) == left


def test_a_pending_reader_can_leave_too(app: App, client: TestClient) -> None:
    assert client.post(link(app, CARLA), data=ONE_CLICK).status_code == 200
    assert status(app, CARLA) is UNSUBSCRIBED


@pytest.mark.parametrize("body", [b"", b"something=else", b"\xff\x00"])
def test_any_other_post_is_a_form_and_ends_it_too(app: App, client: TestClient, body: bytes) -> None:
    answer = client.post(link(app), content=body)

    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert status(app) is UNSUBSCRIBED
    assert evidence(app) == {"unsubscribed": "page"}


def test_links_made_with_an_old_key_still_work(tmp_path: Path, app: App) -> None:
    old = link(app)
    keys = tmp_path / "site" / "var" / "keys"
    keys.write_text(f"sign 0badcafe {b64encode(bytes(range(32))).decode()}\n{keys.read_text()}")
    app.close()
    rotated = open_site(tmp_path / "site", TestClock(at=app.parts.clock.now()))

    assert link(rotated) != old
    assert client_of(rotated).post(old, data=ONE_CLICK).status_code == 200
    assert status(rotated) is UNSUBSCRIBED
    rotated.close()


def test_links_of_a_newsletter_that_was_renamed_end_its_subscription(tmp_path: Path, app: App) -> None:
    old = link(app)
    app.close()
    lay_out(tmp_path / "site", SETTINGS.replace('slug = "daily"', 'slug = "morning"\nwas = ["daily"]'))
    renamed = open_site(tmp_path / "site", TestClock(at=app.parts.clock.now()))
    client = client_of(renamed)

    assert "The Daily" in client.get(old).text
    assert client.post(old, data=ONE_CLICK).status_code == 200
    assert status(renamed, newsletter="morning") is UNSUBSCRIBED
    assert "You are unsubscribed" in client.get(old).text
    renamed.close()


def test_links_of_a_newsletter_that_is_no_more_work(tmp_path: Path, app: App) -> None:
    old = link(app)
    app.close()
    lay_out(tmp_path / "site", SETTINGS.replace('slug = "daily"', 'slug = "weekly"').replace("The Daily", "Weekly"))
    later = open_site(tmp_path / "site", TestClock(at=app.parts.clock.now()))

    assert back(client_of(later).post(old).text) == ""
    assert client_of(later).post(old, data=ONE_CLICK).status_code == 200
    assert status(later) is UNSUBSCRIBED
    later.close()


def test_who_leaves_between_planning_and_hand_over_is_not_mailed(tmp_path: Path, app: App, clock: TestClock) -> None:
    client = client_of(app)
    pipeline.work(app.parts, "collect", "newsroom")
    clock.move(hours=1, minutes=1)
    pipeline.work(app.parts, "compose", "daily")
    pipeline.work(app.parts, "plan", "daily/daily:2026-11-22")
    client.post(link(app), data=ONE_CLICK)
    pipeline.work(app.parts, "deliver", "maildir")

    edition = app.parts.store.editions.get("daily/daily:2026-11-22")
    sums = app.parts.store.outbox.sums(edition.id)
    assert addressees(tmp_path / "site") == ["nora.lindqvist@mail.example"]
    assert (sums.planned, sums.accepted, sums.skipped) == (2, 1, 1)
    assert edition.state is EditionState.DONE


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(app: App, client: TestClient, method: str) -> None:
    answer = client.request(method, link(app))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert status(app) is CONFIRMED


def test_the_page_asks_and_its_button_ends_the_subscription(app: App, client: TestClient) -> None:
    asked = client.get(link(app)).text
    assert '<form method="post">' in asked
    assert "Stop The Daily?" in asked
    assert BEN in asked

    done = client.post(link(app), data={"by": "page"})

    assert done.status_code == 200
    assert "The Daily will not be sent to ben.okafor@mail.example any more" in done.text
    assert evidence(app) == {"unsubscribed": "page"}


def test_a_second_visit_says_that_it_is_done(app: App, client: TestClient) -> None:
    client.post(link(app), data=ONE_CLICK)
    again = client.get(link(app)).text

    assert "You are unsubscribed" in again
    assert "<form" not in again


# ---------------------------------------------------------------- the way back


def test_a_slip_is_undone_with_one_button(app: App, client: TestClient) -> None:
    left = client.post(link(app), data={"by": "page"}).text
    assert "I want it back" in left
    assert client.get(back(left)).status_code == 200  # looking changes nothing here either
    assert status(app) is UNSUBSCRIBED

    undone = client.post(back(left))

    assert "The Daily will come to ben.okafor@mail.example" in undone.text
    assert status(app) is CONFIRMED
    assert evidence(app) == {"confirmed": "button after leaving"}


def test_a_page_that_is_sent_again_still_has_the_button(app: App, client: TestClient, clock: TestClock) -> None:
    client.post(link(app), data=ONE_CLICK)
    clock.move(days=6, hours=23)
    assert client.post(back(client.post(link(app)).text)).status_code == 200
    assert status(app) is CONFIRMED


def test_an_old_link_in_other_hands_brings_nobody_back(app: App, client: TestClient, clock: TestClock) -> None:
    client.post(link(app), data=ONE_CLICK)
    clock.move(days=7)
    again = client.post(link(app)).text
    assert "You are unsubscribed" in again
    assert back(again) == ""


def test_who_would_get_no_mail_all_the_same_is_shown_no_way_back(app: App, client: TestClient) -> None:
    complaint = Suppression(
        address_key=reader(app).address_key,
        address=None,
        reason=SuppressionReason.COMPLAINT,
        since=app.parts.clock.now(),
    )
    app.parts.store.audience.suppress(complaint)
    assert back(client.post(link(app)).text) == ""


# ---------------------------------------------------------------- links that are not ours


Spoil = Callable[[str], str]
SPOILED: dict[str, Spoil] = {
    "torn": lambda token: token[:-5],
    "empty": lambda token: token[:1],
    "another letter": lambda token: ("B" if token[20] != "B" else "C").join([token[:20], token[21:]]),
    "longer": lambda token: token + "A",
    "oversized": lambda token: token * 200,
    "endless": lambda token: "A" * 60_000,
    "not ASCII": lambda token: "ü" + token[1:],
    "not even UTF-8": lambda token: "%ff%fe" + token,
    "with a NUL": lambda token: token + "%00",
    "with dots": lambda token: "%2e%2e",
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("page", ["u", "c"])
def test_a_spoiled_link_leads_to_a_page_that_reveals_nothing(
    still: App, visitor: TestClient, spoil: Spoil, method: str, page: str
) -> None:
    good = token(still) if page == "u" else confirmation(still).removeprefix("/c/")
    answer = visitor.request(method, f"/{page}/{spoil(good)}")

    assert answer.status_code == 404
    assert method == "HEAD" or "This link is not one of ours" in answer.text
    assert "mail.example" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (status(still), status(still, CARLA)) == (CONFIRMED, PENDING)


def test_a_signed_link_of_nobody_reads_like_a_forged_one(app: App, client: TestClient) -> None:
    nobody = app.parts.keys.unsubscribe(bytes(12), "daily")

    assert client.get(f"/u/{nobody}").text == client.get("/u/forged").text
    assert client.post(f"/u/{nobody}", data=ONE_CLICK).status_code == 404


def test_a_link_signed_by_another_site_is_forged(app: App, client: TestClient, tmp_path: Path) -> None:
    other = KeyRing.load(tmp_path / "other-keys", {})
    forged = other.unsubscribe(app.parts.store.audience.by_email(BEN).public_id, "daily")  # type: ignore[union-attr]  # Ben is there

    assert client.post(f"/u/{forged}", data=ONE_CLICK).status_code == 404
    assert status(app) is CONFIRMED


def test_a_link_for_a_newsletter_one_never_had_changes_nothing(app: App, client: TestClient) -> None:
    stranger = f"/u/{token(app, newsletter='weekly')}"

    assert [client.get(stranger).status_code, client.post(stranger, data=ONE_CLICK).status_code] == [404, 404]
    assert status(app) is CONFIRMED


def test_one_kind_of_link_does_not_pass_for_another(app: App, client: TestClient) -> None:
    assert client.post(f"/c/{token(app, CARLA)}").status_code == 404
    assert client.post(confirmation(app).replace("/c/", "/u/"), data=ONE_CLICK).status_code == 404
    assert status(app, CARLA) is PENDING


@pytest.mark.parametrize("declared", [True, False], ids=["length told", "chunked"])
def test_a_body_that_is_too_long_is_refused(app: App, client: TestClient, declared: bool) -> None:
    body = b"List-Unsubscribe=One-Click&" + b"x" * 5000
    answer = client.post(link(app), content=body if declared else iter([body[:3000], body[3000:]]))

    assert answer.status_code == 413
    assert "longer than anything we ask for" in answer.text
    assert status(app) is CONFIRMED


# ---------------------------------------------------------------- confirming


def test_a_confirmation_link_confirms_by_its_button_only(app: App, client: TestClient) -> None:
    asked = client.get(confirmation(app))
    assert asked.status_code == 200
    assert '<form method="post">' in asked.text
    assert status(app, CARLA) is PENDING

    done = client.post(confirmation(app))

    assert done.status_code == 200
    assert "The Daily will come to carla.rossi@mail.example" in done.text
    assert status(app, CARLA) is CONFIRMED


def test_a_confirmation_brings_back_who_had_left(app: App, client: TestClient) -> None:
    client.post(link(app), data=ONE_CLICK)
    asked = audience.confirmation_link(app.parts.keys, reader(app), "daily", "")

    assert "Would you like The Daily?" in client.get(asked).text
    assert status(app) is UNSUBSCRIBED
    assert client.post(asked).status_code == 200
    assert status(app) is CONFIRMED


def test_confirming_again_says_the_same(app: App, client: TestClient) -> None:
    first = client.post(confirmation(app)).text

    assert client.post(confirmation(app)).text == first
    assert client.get(confirmation(app)).text == first


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_confirmation_link_is_good_for_a_week(tmp_path: Path, app: App, client: TestClient, method: str) -> None:
    def made(ago: timedelta) -> str:
        keys = KeyRing.load(tmp_path / "site/var/keys", {}, clock=lambda: time.time() - ago.total_seconds())
        public_id = app.parts.store.audience.by_email(CARLA).public_id  # type: ignore[union-attr]  # Carla is there
        return "/c/" + keys.sign("confirm", {"reader": public_id.hex(), "newsletter": "daily"})

    assert client.request(method, made(timedelta(days=7, minutes=1))).status_code == 404
    assert status(app, CARLA) is PENDING
    assert client.request(method, made(timedelta(days=6, hours=23))).status_code == 200


def test_a_confirmation_outlives_a_renaming(tmp_path: Path, app: App) -> None:
    old = confirmation(app)
    app.close()
    lay_out(tmp_path / "site", SETTINGS.replace('slug = "daily"', 'slug = "morning"\nwas = ["daily"]'))
    renamed = open_site(tmp_path / "site", TestClock(at=app.parts.clock.now()))

    assert client_of(renamed).post(old).status_code == 200
    assert status(renamed, CARLA, newsletter="morning") is CONFIRMED
    renamed.close()


# ---------------------------------------------------------------- a site's own pages


def test_a_site_that_broke_its_template_still_answers_one_click(tmp_path: Path, app: App, client: TestClient) -> None:
    folder = tmp_path / "site" / "templates" / "web" / "public"
    shutil.copytree(Path(__file__).parents[2] / "templates" / "web" / "public", folder)
    (folder / "base.html").write_text("{% block content %}")

    assert client.post(link(app), data=ONE_CLICK).status_code == 200
    assert status(app) is UNSUBSCRIBED
    broken = client.get(link(app))
    assert (broken.status_code, broken.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert "Please try again in a minute" in broken.text
    assert "base.html" not in broken.text
