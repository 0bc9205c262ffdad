"""The plugin of our guide in a real WordPress: what is published there is in the feed within seconds."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests import signing
from tests.full.wordpress_site import WordPressSite, what_is_missing
from tests.journeys.test_push import AS_INSTALLED, HOURLY, tell, until_published
from tests.sites import lay_out
from tests.test_schedule import running

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(what_is_missing()), reason=f"needs {what_is_missing()}: `.ci/system-packages full`"),
]
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "push.md"
SOURCE = """
[[sources]]
slug = "website"
kind = "wordpress"
url = "{url}"
allow_private = true
interval = "1h"
webhook_secret_env = "HOOK"

[[feeds]]"""


def test_the_plugin_of_the_guide_brings_posts_and_edits_into_the_feed_within_seconds(tmp_path: Path) -> None:
    with WordPressSite() as there:
        there.publish("The ferry returns", "<p>Sixty people and the post.</p>")
        site = lay_out(tmp_path, HOURLY.replace("\n[[feeds]]", SOURCE.format(url=there.url), 1), {})
        feed = site / "feeds" / "all.rss"
        with running(site, AS_INSTALLED, {"HOOK": signing.SECRET}) as process:
            port = process.port()
            until_published(process, feed, "The ferry returns")
            install_plugin(there, port)

            published = time.monotonic()
            id = there.publish("Lantern night moves indoors", "<p>The storm is to blame.</p>")
            until_published(process, feed, "Lantern night")
            tell("a post of a real WordPress", time.monotonic() - published)

            edited = time.monotonic()
            there.edit(id, post_title="Lantern night is cancelled")
            until_published(process, feed, "is cancelled")
            tell("its edit", time.monotonic() - edited)
            assert process.stop() == 0
    assert "Lantern night moves" not in feed.read_text()


def install_plugin(there: WordPressSite, port: int) -> None:
    """As the guide says, with the address of the Publisher that runs here."""
    (code,) = re.findall(r"```php\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert "https://news.your-site.example" in code
    plugins = there.root / "wp-content" / "mu-plugins"
    plugins.mkdir()
    (plugins / "publisher.php").write_text(code.replace("https://news.your-site.example", f"http://127.0.0.1:{port}"))
    config = there.root / "wp-config.php"
    secret = f"<?php\ndefine('PUBLISHER_SECRET', '{signing.SECRET}');\n"
    config.write_text(config.read_text().replace("<?php\n", secret, 1))
