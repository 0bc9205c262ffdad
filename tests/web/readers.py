"""Links of readers, and how they stand with a newsletter."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from publisher import audience
from publisher.app import App
from publisher.model import Subscriber, SubscriptionStatus

BEN = "ben.okafor@mail.example"
CARLA = "carla.rossi@mail.example"


def reader(app: App, email: str = BEN) -> Subscriber:
    found = app.parts.store.audience.by_email(email)
    assert found
    return found


def token(app: App, email: str = BEN, newsletter: str = "daily") -> str:
    return app.parts.keys.unsubscribe(reader(app, email).public_id, newsletter)


def link(app: App, email: str = BEN) -> str:
    return f"/u/{token(app, email)}"


def back(page: str) -> str:
    """Where the button of the page that says they left leads, "" when it has none."""
    form = LexborHTMLParser(page).css_first('form[method="post"]')
    return str(form.attributes["action"]) if form else ""


def confirmation(app: App, email: str = CARLA) -> str:
    return audience.confirmation_link(app.parts.keys, reader(app, email), "daily", "")


def status(app: App, email: str = BEN, newsletter: str = "daily") -> SubscriptionStatus:
    return audience.status(app.parts.store, reader(app, email), newsletter)


def evidence(app: App, email: str = BEN) -> object:
    return app.parts.store.audience.subscriptions(reader(app, email).id)[0].evidence
