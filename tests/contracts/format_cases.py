"""What every format does with a feed document. A subclass names the format."""

from __future__ import annotations

import hashlib
import locale
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import syndicate
from publisher.errors import GateError
from publisher.model import Article, ArticleState, Author, Enclosure, FeedDocument, Image, RevisionKind
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

CORRECTED = article(
    "Ferry fares rise",
    native_id="fares",
    kind=RevisionKind.CORRECTION,
    note="The fare rises by 5 cents & not by 50.",
    content_html="<p>By 5 cents.</p>",
    number=2,
)
GONE = article(
    "The mayor resigns",
    native_id="mayor",
    state=ArticleState.RETRACTED,
    retracted_at=NOW,
    retraction_note="She did not; we mistook <her> for her sister.",
)

#: An archive page between two others, of a feed in German that holds summaries.
ARCHIVE = replace(
    document(BRIDGE, CORRECTED, GONE, LAMP, content="summary", language="de", description=""), page=2, pages=3
)

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

    def test_an_archive_page_with_a_correction_and_a_retraction_is_the_one_reviewed_by_eye(self) -> None:
        assert self.format.write(ARCHIVE) == (DATA / f"harbour-2.{self.format.ending}").read_bytes()

    def test_joined_fragments_are_the_bytes_of_the_whole_document(self) -> None:
        for made in (GAZETTE, ARCHIVE, replace(GAZETTE, pages=7, page_url=f"{HOME}/all.html"), document()):
            fragments = [self.format.fragment(one, made.feed) for one in made.articles]
            assert self.format.join(made, [data for _, data in fragments]) == self.format.write(made)
            assert self.format.ids(self.format.write(made)) == tuple(id for id, _ in fragments)
            assert [entry.id for entry in self.format.read(self.format.write(made))] == [id for id, _ in fragments]

    def test_so_they_are_whatever_the_articles_say(self) -> None:
        text = st.text(st.characters(exclude_categories=("Cs", "Cc")))

        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.tuples(text, text, text), max_size=4), st.sampled_from(["full", "summary"]), st.booleans())
        def holds(texts: list[tuple[str, str, str]], content: str, retracted: bool) -> None:
            fate = {"state": ArticleState.RETRACTED, "retracted_at": NOW} if retracted else {}
            articles = [
                article(title or "?", native_id=str(n), standfirst=standfirst, content_html=html, tags=(title,), **fate)
                for n, (title, standfirst, html) in enumerate(texts)
            ]
            made = document(*articles, content=content)
            fragments = [self.format.fragment(one, made.feed) for one in articles]
            assert self.format.join(made, [data for _, data in fragments]) == self.format.write(made)
            assert self.format.ids(self.format.write(made)) == tuple(one.entry_id for one in articles)

        holds()

    def test_a_retracted_article_keeps_its_id_and_says_what_became_of_it(self) -> None:
        (entry,) = self.format.read(self.format.write(document(GONE)))
        assert (entry.id, entry.updated_at) == (GONE.entry_id, NOW)
        assert entry.gone or entry.title == "Retracted: The mayor resigns"
        assert "we mistook" in entry.content
        assert b"harbour master" not in self.format.write(document(GONE))

    def test_without_a_note_it_says_so_in_the_language_of_the_feed(self) -> None:
        silent = replace(GONE, retraction_note="")
        (entry,) = self.format.read(self.format.write(document(silent, language="de-AT")))
        assert entry.gone or entry.title == "Zurückgezogen: The mayor resigns"
        assert "Dieser Artikel wurde zurückgezogen." in entry.content

    def test_a_correction_carries_its_note_and_moves_the_date(self) -> None:
        (entry,) = self.format.read(
            self.format.write(document(replace(CORRECTED, revision=replace(CORRECTED.revision, updated_at=NOW))))
        )
        assert entry.updated_at == NOW
        assert entry.content == (
            "<p><strong>Correction:</strong> The fare rises by 5 cents &amp; not by 50.</p>\n<p>By 5 cents.</p>"
        )

    def test_a_feed_of_summaries_tells_the_standfirst_or_the_first_words(self) -> None:
        silent = article("Silent", content_html="<p>The first words.</p><p>" + "More words follow. " * 100 + "</p>")
        silent = replace(silent, revision=replace(silent.revision, standfirst=""))
        bridge, other = self.format.read(self.format.write(document(BRIDGE, silent, content="summary")))
        assert bridge.content == "<p>Fish &amp; chips &lt; €5 at the quay.</p>"
        assert other.content.startswith("<p>The first words.")
        assert len(other.content) < 400

    def test_a_feed_that_moves_here_keeps_the_ids_that_readers_know(self) -> None:
        known = replace(BRIDGE, guid=f"{HOME}/?p=17")
        bare = replace(TIDES, guid="")
        made = document(known, bare, ids="source")
        assert [entry.id for entry in self.format.read(self.format.write(made))] == [f"{HOME}/?p=17", TIDES.entry_id]

    def test_archive_pages_lead_to_each_other(self) -> None:
        base = "https://news.harbour-gazette.example/feeds/all"
        ending = self.format.ending
        current, oldest, newest = (
            self.format.write(replace(GAZETTE, pages=2, page=page)).decode() for page in (0, 1, 2)
        )
        assert f"{base}/2.{ending}" in current
        assert f"{base}/1.{ending}" not in current
        assert f"{base}/1.{ending}" in newest
        assert f"{base}/0.{ending}" not in oldest

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
        assert self.format.ids(data) == (BRIDGE.entry_id, BRIDGE.entry_id)

    def test_a_document_cut_short_is_refused(self) -> None:
        data = self.format.write(GAZETTE)
        for length in (0, 1, len(data) // 2, len(data) - 4):
            for parse in (self.format.read, self.format.ids):
                with pytest.raises(GateError):
                    parse(data[:length])

    def test_anything_else_is_refused_by_name(self) -> None:
        @settings(max_examples=100, deadline=None)
        @given(st.binary() | st.text().map(str.encode))
        def holds(data: bytes) -> None:
            with pytest.raises(GateError):
                self.format.read(data)
            with suppress(GateError):
                assert self.format.ids(data) == ()

        holds()

    def check_rule(self, old: str, new: str, rule: str) -> None:
        """A good document in which one thing was broken is refused, and the rule is named."""
        good = (DATA / f"harbour.{self.format.ending}").read_text()
        assert old in good
        with pytest.raises(GateError) as caught:
            self.format.read(good.replace(old, new, 1).encode())
        assert rule in str(caught.value)
