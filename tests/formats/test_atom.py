from __future__ import annotations

import re
from dataclasses import replace
from xml.etree.ElementTree import fromstring as parse

import pytest

from publisher.formats.atom import Atom
from tests.contracts.format_cases import ARCHIVE, BRIDGE, GONE, HOME, TIDES, FormatCases, document


class TestAtom(FormatCases):
    format = Atom()

    def entry_of(self, data: bytes) -> bytes:
        found = re.search(rb"<entry .*</entry>", data, re.DOTALL)
        assert found
        return found[0]

    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            ('xmlns="http://www.w3.org/2005/Atom"', 'xmlns="http://purl.org/atom/ns#"', "not an Atom 1.0 document"),
            ("<?xml version='1.0' encoding='UTF-8'?>", "<!DOCTYPE feed SYSTEM 'x'>", "document type"),
            ("<id>tag:harbour-gazette.example,2026:feed/all</id>", "", "id is missing"),
            ("<id>tag:harbour-gazette.example,2026:feed/all</id>", "<id>all</id>", "id 'all' is not a URI"),
            ("<title>The Harbour Gazette</title>", "<title> </title>", "title is missing"),
            ("<updated>2026-11-22T05:00:00+00:00", "<updated>22 Nov 2026", "updated '22 Nov 2026' is not a date"),
            ('rel="self"', 'rel="first"', "link to itself is missing"),
            ('rel="hub"', 'rel="hub" title="', "not XML"),
            (f"<id>{BRIDGE.entry_id}</id>", f"<id>{BRIDGE.entry_id}</id>" * 2, "more than one id"),
            ('<content type="html">', '<content type="CDATA">', "swing-bridge: content of type html is missing"),
            (f'href="{HOME}/swing-bridge"', 'href="/swing-bridge"', "link '/swing-bridge' is not an absolute"),
            ('length="81234"', 'length="-1"', "'-1' of enclosure"),
            (f"<uri>{HOME}/people/aoife</uri>", "<uri>javascript:x()</uri>", "author 'javascript:x()'"),
            ('rel="enclosure"', 'rel="alternate"', "more than one alternate link"),
        ],
    )
    def test_a_broken_rule_is_named(self, old: str, new: str, rule: str) -> None:
        self.check_rule(old, new, rule)

    def test_the_feed_is_the_author_of_what_nobody_signed(self) -> None:
        """RFC 4287 section 4.1.1."""
        text = self.format.write(document(TIDES)).decode()
        assert "<name>The Harbour Gazette</name>" in text.partition("<entry")[0]
        with pytest.raises(Exception, match="tides: an author is missing"):
            self.format.read(text.replace("author>", "contributor>").encode())

    def test_a_retracted_article_is_a_deleted_entry(self) -> None:
        """RFC 6721 section 3."""
        root = parse(self.format.write(document(BRIDGE, GONE)))
        (gone,) = root.findall("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
        assert gone.attrib == {"ref": GONE.entry_id, "when": "2026-11-22T06:00:00+00:00"}
        assert gone[0].text == "She did not; we mistook <her> for her sister."
        assert len(root.findall("{http://www.w3.org/2005/Atom}entry")) == 1

    def test_an_archive_page_says_that_it_is_one_and_names_its_neighbours(self) -> None:
        """RFC 5005 section 4."""
        root = parse(self.format.write(ARCHIVE))
        assert root.find("{http://purl.org/syndication/history/1.0}archive") is not None
        links = {link.get("rel"): link.get("href") for link in root.findall("{http://www.w3.org/2005/Atom}link")}
        base = "https://news.harbour-gazette.example/feeds/all"
        assert links == {
            "self": f"{base}/2.atom",
            "current": f"{base}.atom",
            "prev-archive": f"{base}/1.atom",
            "next-archive": f"{base}/3.atom",
            "next": f"{base}/1.atom",
            "alternate": "https://news.harbour-gazette.example/feeds/all.html",
        }

    def test_the_page_for_people_takes_the_place_of_the_home_page(self) -> None:
        text = self.format.write(replace(document(), page_url=f"{HOME}/feeds/all.html")).decode()
        assert re.findall(r'href="([^"]*)" rel="alternate"', text) == [f"{HOME}/feeds/all.html"]

    def test_a_guid_that_is_no_uri_gives_way_to_our_own(self) -> None:
        """RFC 4287 section 4.2.6."""
        made = document(replace(BRIDGE, guid="17 at the quay"), ids="source")
        assert self.format.ids(self.format.write(made)) == (BRIDGE.entry_id,)

    def test_links_of_entries_keep_their_relation(self) -> None:
        text = self.format.write(document(BRIDGE)).decode().partition("<entry")[2]
        assert re.findall(r'<link [^>]*rel="(\w+)"', text) == ["alternate", "enclosure", "enclosure"]
