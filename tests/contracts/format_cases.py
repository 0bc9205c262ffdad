"""What every format does with a feed document. A subclass names the format."""

from __future__ import annotations

import hashlib
import locale
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import syndicate
from publisher.errors import GateError
from publisher.model import Article, Author, Enclosure, FeedDocument, Image
from publisher.ports import Format
from tests.people import EDITOR, EDITOR_ADDRESS, NOW, article, feed, site

DATA = Path(__file__).parent.parent / "data" / "formats"
HOME = "https://harbour-gazette.example"

BRIDGE = article(
    "The swing bridge reopens & “<b>sings</b>”",
    native_id="swing-bridge",
    canonical_url=f"{HOME}/swing-bridge",
    standfirst="Fish & chips < €5 at the quay.",
    content_html=f'<p>It hums at ]]&gt; and ]]> alike.</p>\n<p><a href="{HOME}/tides?a=1&amp;b=2">Tides</a> 🌊</p>',
    authors=(
        Author(name=EDITOR, url=f"{HOME}/people/aoife", email=EDITOR_ADDRESS, biography="Covers the port."),
        Author(name="Eoin Walsh"),
    ),
    categories=("Harbour", "Music"),
    tags=("ferries", "Harbour"),
    image=Image(
        url=f"{HOME}/bridge.jpg",
        type="image/jpeg",
        bytes=81234,
        width=1200,
        height=800,
        alt="The bridge, half open",
        credit="Eoin Walsh",
    ),
    enclosures=(Enclosure(url=f"{HOME}/bridge.mp3", type="audio/mpeg", bytes=1234567, seconds=754),),
    updated_at=NOW - timedelta(hours=1),
)
TIDES = article("Tide tables", native_id="tides", canonical_url="", standfirst="", authors=(), tags=(), language="ga")
LAMP = article(
    "مصباح الميناء",  # right to left
    native_id="lamp",
    canonical_url=f"{HOME}/lámpa harbour",  # as an editor would type it
    content_html="",
    standfirst="The harbour lamp is lit again.",
    image=Image(url=f"{HOME}/lamp.png"),
    language="ar",
)


def document(*articles: Article, **changes: Any) -> FeedDocument:
    about = {"description": "News from Kilmarnagh"} | changes
    return syndicate.document(feed(**about), articles, site=site(hub="https://hub.example/"))


def saying(**changes: Any) -> Article:
    """An article of which any text may be anything."""
    one = article("The ferry is late")
    return replace(one, revision=replace(one.revision, **changes))


GAZETTE = document(BRIDGE, TIDES, LAMP)

_IN_ANOTHER_PROCESS = """
import hashlib, importlib, locale, sys
locale.setlocale(locale.LC_ALL, "")
from tests.contracts.format_cases import GAZETTE
module, name = sys.argv[1:]
print(hashlib.sha256(getattr(importlib.import_module(module), name)().write(GAZETTE)).hexdigest())
"""


class FormatCases:
    format: Format

    def test_the_document_is_the_one_reviewed_by_eye(self) -> None:
        assert self.format.write(GAZETTE) == (DATA / f"harbour.{self.format.ending}").read_bytes()

    def test_every_article_is_read_back_as_it_was_written(self) -> None:
        bridge, tides, lamp = self.format.read(self.format.write(GAZETTE))
        assert [bridge.id, tides.id, lamp.id] == [BRIDGE.entry_id, TIDES.entry_id, LAMP.entry_id]
        assert (bridge.title, lamp.title) == (BRIDGE.revision.title, LAMP.revision.title)
        assert (bridge.url, tides.url, lamp.url) == (BRIDGE.canonical_url, "", f"{HOME}/l%C3%A1mpa%20harbour")
        assert (bridge.content, tides.content) == (BRIDGE.revision.content_html, TIDES.revision.content_html)
        assert lamp.content == "<p>The harbour lamp is lit again.</p>"
        assert (bridge.published_at, bridge.updated_at) == (NOW - timedelta(hours=3), NOW - timedelta(hours=1))
        picture = Enclosure(url=f"{HOME}/bridge.jpg", type="image/jpeg", bytes=81234)
        assert bridge.enclosures == (picture, *BRIDGE.revision.enclosures)
        assert lamp.enclosures == (Enclosure(url=f"{HOME}/lamp.png", type="image/png"),)

    def test_a_feed_without_articles_is_a_feed(self) -> None:
        assert self.format.read(self.format.write(document())) == ()

    def test_everything_an_article_has_is_in_the_feed(self) -> None:
        text = self.format.write(document(BRIDGE)).decode()
        for wanted in (EDITOR, f"{HOME}/people/aoife", "Eoin Walsh", "Music", "ferries", "bridge.mp3", "half open"):
            assert wanted in text
        assert "chips" in text.replace(BRIDGE.revision.content_html, "")
        assert f"https://news.harbour-gazette.example/feeds/all.{self.format.ending}" in text
        assert "https://hub.example/" in text

    def test_mail_addresses_of_authors_stay_with_us(self) -> None:
        assert EDITOR_ADDRESS.encode() not in self.format.write(document(BRIDGE))

    def test_the_same_document_is_the_same_bytes_in_every_zone_and_locale(self) -> None:
        here = hashlib.sha256(self.format.write(GAZETTE)).hexdigest()
        kind = type(self.format)
        for zone, language, seed in (("Asia/Kathmandu", "C.UTF-8", "1"), ("America/St_Johns", "POSIX", "2")):
            environment = os.environ | {"TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": seed}
            command = [sys.executable, "-c", _IN_ANOTHER_PROCESS, kind.__module__, kind.__name__]
            there = subprocess.run(command, env=environment, cwd=Path.cwd(), capture_output=True, text=True, check=True)
            assert there.stdout.strip() == here

    def test_threads_do_not_disturb_each_other(self) -> None:
        documents = [document(BRIDGE), document(TIDES, LAMP)] * 8
        alone = [self.format.write(one) for one in documents]
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(self.format.write, documents)) == alone

    def test_the_locale_of_the_process_is_never_touched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.format.write(GAZETTE)
        monkeypatch.delattr(locale, "setlocale")
        self.format.write(GAZETTE)

    def test_an_entry_reads_the_same_wherever_it_stands(self) -> None:
        """So that it can be kept and joined with others."""
        together = self.format.write(document(LAMP, BRIDGE, TIDES))
        for one in (BRIDGE, TIDES, LAMP):
            assert self.entry_of(self.format.write(document(one))) in together

    def entry_of(self, data: bytes) -> bytes:
        """The one entry of a document, as bytes."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "text",
        [
            "bell \x07 and escape \x1b and nul \x00",
            "half a pair \ud83d and the other \udc4d",
            "not a character \ufffe\uffff",
            "]]> ]]]]> <![CDATA[ <!-- &amp; &#0; &nbsp; %s {name}",
            "two\r\nlines\rand\u2028more\u0085and \x0b",
            "شمال \u202e right to left \u2069",
            "👩‍👩‍👧‍👦🇮🇪 \U0010ffff",
            "so long " * 100_000,
            "\ufeff",
            " ",
            "",
        ],
    )
    def test_hostile_text_never_makes_an_invalid_document(self, text: str) -> None:
        one = saying(
            title=text,
            standfirst=text,
            content_html=text,
            categories=(text,),
            authors=(Author(name=text, url=text),),
            image=Image(url=f"{HOME}/{text}", type=text, alt=text, credit=text, bytes=-1),
            enclosures=(Enclosure(url=f"{HOME}/other/{text}", type=text, bytes=-1, seconds=-1),),
            language=text,
        )
        one = replace(one, canonical_url=f"{HOME}/{text}")
        data = self.format.write(document(one, TIDES, title=text, description=text, language=text))
        assert [entry.id for entry in self.format.read(data)] == [one.entry_id, TIDES.entry_id]

    def test_no_text_is_lost_or_raises(self) -> None:
        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.text(st.characters(exclude_categories=())), min_size=5, max_size=5), st.integers(0, 10**9))
        def holds(texts: list[str], seconds: int) -> None:
            title, standfirst, name, url, alt = texts
            one = saying(
                title=title,
                standfirst=standfirst,
                authors=(Author(name=name, url=url), Author(name=alt)),
                tags=(name, alt),
                image=Image(url=f"https://{url}", alt=alt),
                enclosures=(Enclosure(url=url, type=name),),
                updated_at=NOW + timedelta(seconds=seconds, microseconds=seconds),
            )
            one = replace(one, canonical_url=f"https://{url}")
            entries = self.format.read(self.format.write(document(TIDES, one, LAMP)))
            assert [entry.id for entry in entries] == [TIDES.entry_id, one.entry_id, LAMP.entry_id]
            assert entries[1].content == one.revision.content_html

        holds()

    @pytest.mark.parametrize(
        "url", ["javascript:alert(1)", "/relative", "https://", "http://[", "//host/x", "mailto:a@b"]
    )
    def test_what_is_no_web_address_is_no_link(self, url: str) -> None:
        one = article(
            canonical_url=url,
            authors=(Author(name="Eoin Walsh", url=url),),
            image=Image(url=url),
            enclosures=(Enclosure(url=url, type="audio/mpeg"),),
        )
        data = self.format.write(document(one))
        assert url == "https://" or url.encode() not in data
        (entry,) = self.format.read(data)
        assert (entry.url, entry.enclosures) == ("", ())

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            ("<p>Hello</p><script>alert(1)</script>", "<script>"),
            ("<p ONCLICK='x()'>Hello</p>", "onclick"),
            ("<svg><a xlink:href='javascript:x()'>Hello</a></svg>", "xlink:href"),
            ("<a href=' JaVa\tScript:x()'>Hello</a>", "href"),
            ("<img src='data:image/svg+xml,x'>", "src"),
            ("<a href='/tides'>Hello</a>", "relative href '/tides'"),
            ("<a href='//harbour-gazette.example/x'>Hello</a>", "relative href"),
            ("<img srcset='https://harbour-gazette.example/a,b.jpg 1x, b.jpg 2x'>", "relative srcset 'b.jpg'"),
            (f"<img srcset='{HOME}/a.jpg 1x,b.jpg 2x'>", "relative srcset 'b.jpg'"),
            ("<div>" * 100_000, "1,000 deep"),
            ("<base href='https://harbour-gazette.example/'>", "<base>"),
            ("<object data='https://harbour-gazette.example/x'></object>", "<object>"),
        ],
    )
    def test_content_that_runs_or_means_something_else_elsewhere_is_refused(self, content: str, rule: str) -> None:
        data = self.format.write(document(TIDES, article(content_html=content)))
        with pytest.raises(GateError, match=r"entry tag:.*/the-swing-bridge-reopens: ") as caught:
            self.format.read(data)
        assert rule in str(caught.value)

    @pytest.mark.parametrize(
        "content",
        [
            "<p>1 < 2, and <a href='#note'>a note</a></p>",
            "<a href='mailto:aoife.brennan@harbour-gazette.example'>write</a>",
            "<p>line<br>" + "<b>bold</b>" * 2_000,
            "<img srcset='" + ", " * 50_000 + "'>",
            f"<img src='{HOME}/a.jpg' srcset='{HOME}/w_3,h_2/a.jpg 300w,\n {HOME}/b.jpg 2x, {HOME}/c.jpg'>",
        ],
    )
    def test_honest_content_passes(self, content: str) -> None:
        (entry,) = self.format.read(self.format.write(document(article(content_html=content))))
        assert entry.content == content

    def test_an_id_used_twice_is_refused(self) -> None:
        data = self.format.write(document(BRIDGE, replace(TIDES, entry_id=BRIDGE.entry_id)))
        with pytest.raises(GateError, match=r"swing-bridge: its id is used twice"):
            self.format.read(data)

    def test_a_document_cut_short_is_refused(self) -> None:
        data = self.format.write(GAZETTE)
        for length in (0, 1, len(data) // 2, len(data) - 4):
            with pytest.raises(GateError):
                self.format.read(data[:length])

    def test_anything_else_is_refused_by_name(self) -> None:
        @settings(max_examples=100, deadline=None)
        @given(st.binary() | st.text().map(str.encode))
        def holds(data: bytes) -> None:
            with pytest.raises(GateError):
                self.format.read(data)

        holds()

    def check_rule(self, old: str, new: str, rule: str) -> None:
        """A good document in which one thing was broken is refused, and the rule is named."""
        good = (DATA / f"harbour.{self.format.ending}").read_text()
        assert old in good
        with pytest.raises(GateError) as caught:
            self.format.read(good.replace(old, new, 1).encode())
        assert rule in str(caught.value)
