"""From the moment something is published to the moment it stands in our feed: seconds, in every way there is.

Every source here is looked at once an hour, so that only what is pushed can bring anything in time.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests import signing
from tests.fakes.ghost import GhostSite
from tests.fakes.hub import FeedWithHub
from tests.fakes.newsroom import Newsroom
from tests.sites import LANTERNS, SETTINGS, lay_out
from tests.test_schedule import PROGRAM, Running, eventually, running

HOURLY = SETTINGS.replace('path = "articles"', 'path = "articles"\ninterval = "1h"')
#: The process as it is installed: it looks by itself every five seconds.
AS_INSTALLED = PROGRAM.replace("schedule.TICK = 0.1\n", "")
#: Seconds from publishing to the feed that no reader should notice. Most of it is waiting for a writer to be done.
SOON = 10.0


def tell(what: str, seconds: float) -> None:
    sys.stdout.write(f"\n{what} is in the feed after {seconds:.2f} s\n")
    assert seconds < SOON


def until_published(process: Running, feed: Path, words: str) -> None:
    while words not in (feed.read_text() if feed.exists() else ""):
        process.until("syndicate.done")


def test_a_saved_file_is_in_the_feed_within_seconds(tmp_path: Path) -> None:
    site = lay_out(tmp_path, HOURLY)
    feed = site / "feeds" / "all.rss"
    with running(site, AS_INSTALLED) as process:
        process.port()
        until_published(process, feed, "The ferry returns")

        beside = site / "articles" / ".lanterns.txt.part"
        beside.write_text(LANTERNS)
        os.replace(beside, site / "articles" / "lanterns.txt")
        saved = time.monotonic()
        until_published(process, feed, "Lantern night")
        seconds = time.monotonic() - saved
        assert process.stop() == 0
    tell("a saved file", seconds)


def test_a_pushed_article_is_in_the_feed_within_seconds(tmp_path: Path) -> None:
    wire = '\n[[sources]]\nslug = "wire"\nkind = "push"\nwebhook_secret_env = "WIRE"\ninterval = "1h"\n\n[[feeds]]'
    site = lay_out(tmp_path, HOURLY.replace("\n[[feeds]]", wire, 1))
    feed = site / "feeds" / "all.rss"
    flood = {"id": "flood-1", "title": "The quay is closed", "content_text": "Nobody may pass."}
    with running(site, AS_INSTALLED, {"WIRE": signing.SECRET}) as process:
        port = process.port()
        until_published(process, feed, "The ferry returns")

        pushed = time.monotonic()
        assert call(port, "wire", json.dumps(flood).encode(), signing.standard) == 200
        until_published(process, feed, "The quay is closed")
        seconds = time.monotonic() - pushed
        assert process.stop() == 0
    tell("an article that is pushed", seconds)


@pytest.mark.parametrize(
    ("kind", "newsroom", "signed"), [("wordpress", Newsroom, signing.standard), ("ghost", GhostSite, signing.ghost)]
)
def test_a_webhook_brings_a_post_into_the_feed_within_seconds(
    tmp_path: Path, kind: str, newsroom: type[Newsroom], signed: signing.Signed
) -> None:
    with newsroom() as there:
        there.publish("ferry", "The ferry returns", "Sixty people and the post.")
        entry = f'slug = "site"\nkind = "{kind}"\nurl = "{there.url}"\nallow_private = true\ninterval = "1h"\n'
        entry += 'webhook_secret_env = "HOOK"\n'
        site = lay_out(tmp_path, HOURLY.replace("\n[[feeds]]", f"\n[[sources]]\n{entry}\n[[feeds]]", 1), {})
        feed = site / "feeds" / "all.rss"
        with running(site, AS_INSTALLED, {"HOOK": signing.SECRET}) as process:
            port = process.port()
            until_published(process, feed, "The ferry returns")

            there.publish("lanterns", "Lantern night moves indoors", "The storm is to blame.")
            published = time.monotonic()
            assert call(port, "site", b'{"post": {}}', signed) == 202
            until_published(process, feed, "Lantern night")
            seconds = time.monotonic() - published
            assert process.stop() == 0
    tell(f"a post of which {kind} tells", seconds)


def call(port: int, source: str, body: bytes, signed: signing.Signed) -> int:
    headers: Mapping[str, str] = {**signed(body, datetime.now(UTC)), "Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}/hooks/articles/{source}", body, dict(headers), method="POST")
    with urlopen(request, timeout=10) as answer:
        return int(answer.status)


def test_a_hub_brings_an_item_into_the_feed_within_seconds(tmp_path: Path) -> None:
    with FeedWithHub(tmp_path) as there, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        there.publish("ferry", "The ferry returns")
        entry = (
            f'slug = "site"\nkind = "syndication"\nurl = "{there.url}/feed"\nallow_private = true\ninterval = "1h"\n'
        )
        settings = HOURLY.replace("\n[[feeds]]", f"\n[[sources]]\n{entry}\n[[feeds]]", 1)
        settings = settings.replace("https://news.harbour-gazette.example", f"http://127.0.0.1:{port}")
        site = lay_out(tmp_path, settings, {})
        feed = site / "feeds" / "all.rss"
        with running(site, AS_INSTALLED.replace("port=0", f"port={port}")) as process:
            process.port()
            until_published(process, feed, "The ferry returns")
            eventually(lambda: bool(there.callbacks()), process)  # the hub was asked, and has made sure of us

            there.publish("lanterns", "Lantern night moves indoors")
            published = time.monotonic()
            there.tell()
            until_published(process, feed, "Lantern night")
            seconds = time.monotonic() - published
            assert process.stop() == 0
    tell("an item of which a hub tells", seconds)
