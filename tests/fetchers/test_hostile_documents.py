"""Documents that were made to cost much: each is answered at about the pace of an ordinary one of its size."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from html import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.errors import SourceError, SourceInvalid
from publisher.fetchers._markup import read_html
from publisher.fetchers._shared import person, read_json
from publisher.fetchers.syndication import read
from publisher.fetchers.websub import hub_of

URL = "https://harbour-gazette.example/feeds/news.xml"
NAMES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
)
#: Local parts and domains, which a search for mail addresses begins to read again at each of them.
DOTS = "a." * 20_000


def rss(item: str, head: str = "") -> str:
    return f'<rss version="2.0" {NAMES}><channel><title>T</title>{head}{item}</channel></rss>'


def an_item(inside: str) -> str:
    return rss(f"<item><title>A</title>{inside}</item>")


def an_entry(inside: str) -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><title>A</title>{inside}</entry></feed>'


def many(written: str, number: int) -> str:
    return "".join(written.replace("%", str(place)) for place in range(number))


ATTRIBUTES = many('a%="1" ', 30_000)
NAMESPACES = many('xmlns:n%="u%" ', 10_000)
BODIES = {
    **{f"{name}, long": an_item(f"<{name}>{DOTS}@x</{name}>") for name in ("author", "dc:creator", "itunes:author")},
    **{
        f"{name} of the feed, long": rss("<item><title>A</title></item>", f"<{name}>{DOTS}</{name}>")
        for name in ("managingEditor", "webMaster", "dc:publisher", "itunes:owner")
    },
    "author, in pieces": an_item(f"<author>{'<![CDATA[a.]]>' * 20_000}@x</author>"),
    "author, cut off": an_item(f"<author>{DOTS}</author>") + "<",
    "author, blanks in brackets": an_item(f"<author>a@b ({' ' * 480}</author>" * 40),
    "authors without a name": an_item(f"<author>{'a.' * 200}@x</author><x><y>{'<author/>' * 20_000}</y></x>"),
    "addresses of a long name": an_entry(f"<author><name>{'n' * 300_000}</name>{'<email>e</email>' * 9_000}</author>"),
    "categories": an_item(many("<category>c%</category>", 15_000)),
    "keywords": an_item(f"<media:keywords>{many('k%,', 40_000)}</media:keywords>"),
    "attributes": an_item(f"<category {ATTRIBUTES}/>"),
    "attributes, cut off": an_item(f"<category {ATTRIBUTES}/>") + "<",
    "namespaces": f"<rss {NAMESPACES}><channel>{'<n9999:a/>' * 20_000}</channel></rss>",
    "namespaces, one by one": rss(many('<item xmlns:n%="u%"><n%:a/></item>', 5_000)),
    "a long namespace": f'<rss xmlns:n="{"u" * 500_000}"><channel>{"<n:a/>" * 10_000}</channel></rss>',
    "a long base": f'<rss xml:base="http://a/{"u" * 500_000}"><channel>{"<item><a/></item>" * 3_000}</channel></rss>',
    "bases, nested": an_item('<a xml:base="aaaaaaaaaaaaaaaaaaaa/">' * 9_000 + "</a>" * 9_000),
    "a long language": rss("<item><title>A</title></item>" * 3_000, f"<language>{'u_' * 200_000}</language>"),
    "blanks before XHTML": an_entry('<content type="xhtml">' + "\n<!---->" * 60_000 + "x</content>"),
    "tags": an_item("<a/>" * 20_000),
    "tags, cut off": an_item("<a/>" * 200_000) + "<",
    "open tags": "<rss><channel>" + "<a>" * 200_000,
    "nested tags": an_item("<a>" * 10_000 + "x" + "</a>" * 10_000),
    "sections that never end": "<rss>" + "<![CDATA[" * 200_000,
    "references that never end": "<rss><channel><item><title>" + "&#" * 100_000,
    "items that never end": "<rss><channel>" + "<item " * 10_000,
    "tags in a tag": an_item(f"<title>{'<b' * 20_000}</title>"),
    "quotes that never end": "<rss><channel>" + "<a b=\"x' c=" * 15_000,
    "a date of digits": an_item(f"<pubDate>{'1' * 300_000}</pubDate>"),
    "a date of blanks": an_item(f"<pubDate>{' ' * 100_000}</pubDate>"),
    "a page of titles": "<html>" + "<title" * 50_000,
    "lists in lists": "[" * 100_000,
    "a list in a field": '{"version":"https://jsonfeed.org/version/1","items":[{"id":1,"x":'
    + "[" * 900
    + "]" * 900
    + "}]}",
    "empty items": "<rss><channel>" + "<item/>" * 20_001,
}


def seconds_for(body: bytes) -> float:
    began = time.process_time()
    with suppress(SourceError):
        read(body, "text/xml", URL)
    return time.process_time() - began


@pytest.fixture(scope="module")
def pace() -> float:
    """Seconds of this machine for a byte of a feed with short items."""
    body = rss("<item><title>Ferry back</title><guid>a</guid><category>Sea</category></item>" * 3_000).encode()
    return seconds_for(body) / len(body)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_hostile_document_takes_the_time_of_an_ordinary_one(body: str, pace: float) -> None:
    assert seconds_for(body.encode()) < 0.5 + 8 * pace * len(body)


HEADS = [rss("<item>").partition("</channel>")[0], an_entry("").partition("</entry>")[0], "<rdf:RDF><item>", "[", "{"]
TAILS = ["</item></channel></rss>", "</entry></feed>", '"></a></item></channel></rss>', ""]
TEXTS = "title link guid description author dc:creator category media:keywords pubDate summary content name"
PIECES = """
    <a> </a> <a/> <b <item> </item> <entry> </entry> <title> </title> <id> <author> </author> <name> <email> <uri>
    <link> <description> <content type="xhtml"> <div> </div> <media:content url="http://a/a.jpg" <media:group> <source>
    <image>
    <category> <category term="x"/> <enclosure url="x"/> <where> <dc:creator> <itunes:owner> <pubDate> <select> <table>
    <![CDATA[ ]]> <!-- --> <? ?> <!DOCTYPE &amp; &#x & &a; &lt;b&gt; a="b" a='b' xml:base="b/" xml:lang="x" xmlns:q="u"
    base="x" " ' = / > < [ ] ( ) { } , : ; . - + a a. a@ a@b. 1 1: ../ http:// … é 港 T Z {"a": [1, "a",
"""


@st.composite
def repeated(draw: st.DrawFn, size: int) -> bytes:
    """A few pieces, each as often as makes `size` bytes; in an element of text, in the item or before it."""
    units = st.lists(st.sampled_from([*PIECES.split(), " ", "\n"]), min_size=1, max_size=3).map("".join)
    times = st.sampled_from([1, 40, size])
    inside = "".join(unit * (draw(times) // len(unit) + 1) for unit in draw(st.lists(units, max_size=3)))
    inside = draw(st.sampled_from([inside, escape(inside), f"<![CDATA[{inside}]]>"]))
    if name := draw(st.sampled_from(["", *TEXTS.split()])):
        inside = f"<{name}>{inside}</{name}>"
    return (draw(st.sampled_from(HEADS)) + inside + draw(st.sampled_from(TAILS))).encode()


@pytest.mark.parametrize(
    ("examples", "size"),
    [(40, 20_000), pytest.param(300, 60_000, marks=[pytest.mark.full, pytest.mark.timeout(900)])],
)
def test_pieces_repeated_without_end_cost_no_more_than_their_length(examples: int, size: int, pace: float) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(repeated(size))
    def check(body: bytes) -> None:
        tracemalloc.start()
        spent = seconds_for(body)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert spent < 0.3 + 20 * pace * len(body)  # of which the tracing takes the half and more
        assert peak < 2_000_000 + 250 * len(body)

    check()


def test_what_is_beyond_a_limit_is_left_out_and_the_rest_is_read() -> None:
    inside = many("<category>c%</category>", 600) + f"<author>nora@g.example (Nora {'Quill ' * 200})</author>"
    (article,) = read(an_item(inside).encode(), "text/xml", URL).articles
    assert (article.title, len(article.categories), article.categories[-1]) == ("A", 500, "c499")
    assert article.authors[0].email == "nora@g.example"
    assert article.authors[0].name.startswith("Nora Quill")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (an_item("<a/>" * 200_000) + "<", "it has 200,.* tags, and 100,000 are read"),
        (BODIES["namespaces"], "more than 100 namespaces"),
        (BODIES["a long namespace"], "a namespace of more than 2,000 characters"),
    ],
    ids=["tags", "namespaces", "a long namespace"],
)
def test_a_document_beyond_a_limit_is_refused_in_words(body: str, told: str) -> None:
    with pytest.raises(SourceInvalid, match=told):
        read(body.encode(), "text/xml", URL)


def test_json_that_begins_again_and_again_is_given_up() -> None:
    body = b'{"a":' * 50 + b"[" + b"1," * 100_000
    tracemalloc.start()
    began = time.process_time()
    with suppress(ValueError):
        read_json(body)
    with suppress(ValueError):
        read_json(b"[{" * 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 3
    assert peak < 40 * len(body)


@pytest.mark.parametrize(
    "call",
    [
        lambda: person(f"a@b ({' ' * 490}"),
        lambda: hub_of(f"<rss><link {'a' * 190_000}>".encode(), {}, URL),
        lambda: hub_of(b"<rss/>", {"Link": "<a>" + "; a" * 20_000}, URL),
    ],
    ids=["a person", "a link", "a Link header"],
)
def test_no_search_begins_again_at_each_character(call: Callable[[], object]) -> None:
    began = time.process_time()
    call()
    assert time.process_time() - began < 0.1  # a thousandth of it; minutes where it does


def test_a_page_with_a_crowded_tag_is_no_article() -> None:
    with pytest.raises(ValueError, match="a tag with more than 200 attributes"):
        read_html(f"<p {ATTRIBUTES}>text".encode(), UTC)
