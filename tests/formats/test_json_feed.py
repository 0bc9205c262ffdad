from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from publisher.formats.json_feed import JsonFeed
from tests.contracts.format_cases import BRIDGE, GAZETTE, HOME, FormatCases


class TestJsonFeed(FormatCases):
    format = JsonFeed()

    def entry_of(self, data: bytes) -> bytes:
        found = re.search(rb"\n    \{\n      \"id\".*\n    \}", data, re.DOTALL)
        assert found
        return found[0]

    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            ("version/1.1", "version/1", "not a JSON Feed 1.1 document"),
            ('"title": "The Harbour Gazette"', '"title": null', "title is missing"),
            ('"items"', '"entries"', "items is missing"),
            (f'"home_page_url": "{HOME}"', '"home_page_url": "/"', "home_page_url '/' is not an absolute"),
            (BRIDGE.entry_id, "", "id is missing"),
            (f'"id": "{BRIDGE.entry_id}"', '"id": 7', "entry The swing bridge reopens"),
            ('"content_html": "<p>It', '"content_text": "<p>It', "swing-bridge: content_html is missing"),
            (f'"url": "{HOME}/swing-bridge"', '"url": "/swing-bridge"', "swing-bridge: url '/swing-bridge'"),
            ("2026-11-22T05:00:00+00:00", "yesterday", "date_modified 'yesterday' is not a date of RFC 3339"),
            ('"mime_type": "image/jpeg"', '"mime_type": "picture"', "'picture' of enclosure"),
            ('"size_in_bytes": 81234', '"size_in_bytes": -1', "'-1' of enclosure"),
            ('"name": "Aoife Brennan"', '"name": ""', "swing-bridge: name is missing"),
            ('"Music"', "7", "tags are not texts"),
        ],
    )
    def test_a_broken_rule_is_named(self, old: str, new: str, rule: str) -> None:
        self.check_rule(old, new, rule)

    def test_the_next_page_is_the_archive(self) -> None:
        feed = orjson.loads(self.format.write(replace(GAZETTE, pages=3)))
        assert feed["next_url"] == "https://news.harbour-gazette.example/feeds/all/3.json"
        assert "next_url" not in orjson.loads(self.format.write(replace(GAZETTE, pages=3, page=1)))
