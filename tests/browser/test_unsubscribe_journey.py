"""A reader leaves: from the link in a real message to the page that says so, on a phone and without scripts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from publisher.app import App
from publisher.model import SubscriptionStatus
from publisher.web import Server
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, mailbox, open_site, run_due

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here; get it with: apt-get install chromium")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A site with one reader, its pages on a port of this machine, that has just mailed today's edition."""
    clock = TestClock(at=datetime(2026, 11, 22, 6, 0, tzinfo=UTC))
    without_public_url = "".join(line for line in SETTINGS.splitlines(True) if "public_url" not in line)
    opened = open_site(lay_out(tmp_path / "site", without_public_url), clock)
    add_readers(opened, "ben.okafor@mail.example")
    server = Server(opened.parts, "127.0.0.1", 0)
    site = replace(opened.parts.site, local_url=f"http://127.0.0.1:{server.port}")
    here = replace(opened, parts=replace(opened.parts, site=site))
    serving = server.start()
    clock.move(hours=1, minutes=1)
    assert run_due(here) == []
    yield here
    server.stop()
    serving.join(10)
    opened.close()


@pytest.fixture
def phone() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(
            java_script_enabled=False, viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True
        )
        yield context.new_page()
        browser.close()


def test_a_reader_leaves_with_two_taps(app: App, phone: Page, tmp_path: Path) -> None:
    [message] = mailbox(app.root)
    html = message.get_body(("html",))
    assert html

    phone.set_content(html.get_content())
    phone.get_by_role("link", name="Unsubscribe").tap()
    phone.wait_for_url("**/u/*")
    phone.screenshot(path=tmp_path / "asked.png")
    assert phone.get_by_role("heading", name="Stop The Daily?").is_visible()
    assert fits(phone)
    assert status(app) is SubscriptionStatus.CONFIRMED

    with phone.expect_navigation():
        phone.get_by_role("button", name="Yes, unsubscribe").tap()
    phone.screenshot(path=tmp_path / "done.png")
    assert phone.get_by_role("heading", name="You are unsubscribed").is_visible()
    assert fits(phone)
    assert status(app) is SubscriptionStatus.UNSUBSCRIBED

    phone.goto(str(message["List-Unsubscribe"]).strip("<>"))
    phone.screenshot(path=tmp_path / "again.png")
    assert phone.get_by_role("heading", name="You are unsubscribed").is_visible()
    assert phone.get_by_role("button").count() == 0


def test_a_slip_is_undone_with_one_more_tap(app: App, phone: Page, tmp_path: Path) -> None:
    [message] = mailbox(app.root)
    phone.goto(str(message["List-Unsubscribe"]).strip("<>"))
    with phone.expect_navigation():
        phone.get_by_role("button", name="Yes, unsubscribe").tap()
    assert status(app) is SubscriptionStatus.UNSUBSCRIBED

    with phone.expect_navigation():
        phone.get_by_role("button", name="I want it back").tap()
    phone.screenshot(path=tmp_path / "back.png")
    assert phone.get_by_role("heading", name="Welcome aboard").is_visible()
    assert fits(phone)
    assert status(app) is SubscriptionStatus.CONFIRMED


def status(app: App) -> SubscriptionStatus:
    [subscription] = app.parts.store.audience.subscriptions(1)
    return subscription.status


def fits(page: Page) -> bool:
    """Dressed in our style, and nothing wider than the phone."""
    wide = page.locator("html").evaluate("page => page.scrollWidth <= innerWidth")
    dressed = page.locator("button, .soft").first.evaluate("node => getComputedStyle(node).color !== 'rgb(0, 0, 0)'")
    return bool(wide and dressed)
