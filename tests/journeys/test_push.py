"""From the moment something is published to the moment it stands in our feed: seconds, in every way there is.

Every source here is looked at once an hour, so that only what is pushed can bring anything in time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.sites import LANTERNS, SETTINGS, lay_out
from tests.test_schedule import PROGRAM, Running, running

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
