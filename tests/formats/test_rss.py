from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.formats.rss import Rss
from publisher.model import Enclosure, Image
from tests.contracts.format_cases import ARCHIVE, BRIDGE, HOME, TIDES, FormatCases, document
from tests.people import article


class TestRss(FormatCases):
    format = Rss()

    def entry_of(self, data: bytes) -> bytes:
        found = re.search(rb"<item>.*</item>", data, re.DOTALL)
        assert found
        return found[0]

    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            ('version="2.0"', 'version="0.91"', "not an RSS 2.0 document"),
            ("<?xml version='1.0' encoding='UTF-8'?>", "<!DOCTYPE rss [<!ENTITY x 'y'>]>", "document type"),
            ("<title>The Harbour Gazette</title>", "", "title is missing"),
            (f"<link>{HOME}</link>", "<link>/</link>", "link '/' is not an absolute"),
            ('rel="self"', 'rel="first"', "link to itself is missing"),
            ("<lastBuildDate>Sun", "<lastBuildDate>Mon", "RFC 822"),
            ("<pubDate>Sun, 22 Nov 2026", "<pubDate>Sun, 22 Nov 26", "swing-bridge: pubDate 'Sun, 22 Nov 26"),
            ("<pubDate>Sun, 22 Nov 2026 03", "<pubDate>Sun, 22 Nov 2026 27", "RFC 822"),
            ("2026-11-22T05:00:00+00:00", "2026-11-22 05:00", "swing-bridge: atom:updated"),
            ('isPermaLink="false"', 'isPermaLink="true"', "permanent link"),
            (f"{BRIDGE.entry_id}</guid>", "</guid>", "guid is missing"),
            ('length="1234567"', 'length="long"', "'long' of enclosure"),
            ('length="1234567" type="audio/mpeg"', 'length="1"', "swing-bridge: the type '' of enclosure"),
            (f'<enclosure url="{HOME}', '<enclosure url="', "enclosure '/bridge.mp3' is not"),
            (
                "</item>",
                '<enclosure url="https://a.example/" length="0" type="a/b"/></item>',
                "more than one enclosure",
            ),
        ],
    )
    def test_a_broken_rule_is_named(self, old: str, new: str, rule: str) -> None:
        self.check_rule(old, new, rule)

    def test_the_link_of_the_channel_is_the_home_page(self) -> None:
        text = self.format.write(document(BRIDGE)).decode()
        assert re.findall(r"<link>(.*?)</link>", text) == [HOME, f"{HOME}/swing-bridge"]
        assert re.findall(r'<atom:link href=".*?" rel="(self|hub)"', text) == ["self", "hub"]

    def test_an_article_that_can_be_heard_is_an_episode(self) -> None:
        notes = Enclosure(url=f"{HOME}/notes.pdf", type="application/pdf", bytes=7)
        one = replace(BRIDGE, revision=replace(BRIDGE.revision, enclosures=(notes, *BRIDGE.revision.enclosures)))
        text = self.format.write(document(one)).decode()
        assert (
            '<enclosure url="https://harbour-gazette.example/bridge.mp3" length="1234567" type="audio/mpeg"/>' in text
        )
        assert "<itunes:duration>754</itunes:duration>" in text
        assert f'<itunes:image href="{HOME}/bridge.jpg"/>' in text
        assert "<itunes:" not in self.format.write(document(TIDES)).decode()

    @pytest.mark.parametrize(
        ("interval", "ttl", "period", "frequency"),
        [
            (timedelta(minutes=15), 15, "hourly", 4),
            (timedelta(hours=6), 360, "daily", 4),
            (timedelta(days=7), 10080, "weekly", 1),
        ],
    )
    def test_readers_are_told_how_often_to_look(
        self, interval: timedelta, ttl: int, period: str, frequency: int
    ) -> None:
        text = self.format.write(document(interval=interval)).decode()
        assert f"<ttl>{ttl}</ttl>" in text
        assert f"<sy:updatePeriod>{period}</sy:updatePeriod>" in text
        assert f"<sy:updateFrequency>{frequency}</sy:updateFrequency>" in text
        assert b"<ttl>" not in self.format.write(ARCHIVE)

    def test_any_guid_of_the_source_is_kept_as_it_is(self) -> None:
        made = document(replace(BRIDGE, guid="17 at the quay"), ids="source")
        assert self.format.ids(self.format.write(made)) == ("17 at the quay",)

    def test_categories_and_tags_are_told_apart(self) -> None:
        text = self.format.write(document(BRIDGE)).decode()
        assert '<category domain="tag:harbour-gazette.example,2026:categories">Music</category>' in text
        assert '<category domain="tag:harbour-gazette.example,2026:tags">ferries</category>' in text

    def test_a_picture_is_the_enclosure_when_there_is_no_file(self) -> None:
        one = article(image=Image(url=f"{HOME}/quay.jpg", type="image/jpeg"))
        assert b'<enclosure url="https://harbour-gazette.example/quay.jpg" length="0" type="image/jpeg"/>' in (
            self.format.write(document(one))
        )

    def test_what_has_no_type_is_no_enclosure_but_told_of(self) -> None:
        one = article(image=Image(url=f"{HOME}/quay"), enclosures=(Enclosure(url=f"{HOME}/file", type=""),))
        data = self.format.write(document(one))
        assert b"<enclosure" not in data
        (entry,) = self.format.read(data)
        assert [enclosure.url for enclosure in entry.enclosures] == [f"{HOME}/quay", f"{HOME}/file"]
