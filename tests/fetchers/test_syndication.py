from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.errors import SourceError, SourceInvalid, SourceUnavailable
from publisher.fetchers._shared import Before, moment, person, repeats, seconds, starts
from publisher.fetchers._xml_document import take_apart
from publisher.fetchers.syndication import Syndication, read
from publisher.kit.html import plain
from publisher.kit.http_session import Limits
from publisher.model import FetchedArticle, Source
from tests.contracts.fetcher_cases import NOW, FetcherCases, Served, after, look
from tests.fakes import newsroom
from tests.fakes.newsroom import Newsroom

DATA = Path(__file__).parent.parent / "data" / "syndication"
URL = "https://harbour-gazette.example/feeds/news.xml"
GOLDEN = sorted(path for path in DATA.iterdir() if not path.name.endswith(".expected.json"))


class FeedRoom(Served, Newsroom):
    """A newsroom that is read through its feed."""

    def __enter__(self) -> FeedRoom:
        super().__enter__()
        self.fetcher = Syndication()
        self.source = Source(
            slug="feed",
            kind="syndication",
            url=f"{self.url}feed/",
            interval=timedelta(minutes=10),
            allow_private=True,
        )
        return self


@pytest.fixture
def room() -> Iterator[FeedRoom]:
    with FeedRoom() as room:
        yield room


class TestSyndication(FetcherCases): ...


# ---------------------------------------------------------------- golden pairs


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_recorded_feed_reads_as_expected(path: Path) -> None:
    """`<name>.expected.json` stands beside each document, with the content type it came with. Empty fields and
    raw hashes are not written there."""
    expected = json.loads(path.with_name(f"{path.name}.expected.json").read_text())
    assert told(path.read_bytes(), expected["content_type"]) == expected


def told(body: bytes, content_type: str) -> dict[str, Any]:
    reading = json.loads(json.dumps(asdict(read(body, content_type, URL)), default=str))
    assert reading.pop("same") == 0
    reading.pop("next_look")
    for article in reading["articles"]:
        article.pop("raw_hash")
    for kind in ("articles", "refused"):
        reading[kind] = [{name: value for name, value in one.items() if value} for one in reading[kind]]
    return {"content_type": content_type, **reading}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_recorded_feed_reads_the_same_item_by_item(path: Path) -> None:
    """Each article read alone, while all others are known, is the very same as when all are read."""
    kind = json.loads(path.with_name(f"{path.name}.expected.json").read_text())["content_type"]
    everything = read(path.read_bytes(), kind, URL)
    for article in everything.articles:
        others = {other.raw_hash: "x" for other in everything.articles if other.raw_hash != article.raw_hash}
        again = read(path.read_bytes(), kind, URL, Before(known=lambda _, others=others: others))  # type: ignore[misc]
        assert article in again.articles
        assert (again.title, again.language, again.home) == (everything.title, everything.language, everything.home)
        assert again.same + len(again.articles) == len(everything.articles)


def rss(*items: str, head: str = "", attributes: str = "") -> bytes:
    return f'<rss version="2.0" {attributes}><channel><title>T</title>{head}{"".join(items)}</channel></rss>'.encode()


# ---------------------------------------------------------------- looks


def test_an_unchanged_feed_costs_a_304(room: FeedRoom) -> None:
    room.publish("ferry", "Ferry returns")
    first = look(room)
    (second,) = look(room, after(room.source, first))
    assert second.unchanged
    assert second.cursor == first[0].cursor
    room.edit("ferry", "At ten.")
    assert not look(room, after(room.source, first))[0].unchanged


def test_last_modified_is_enough(room: FeedRoom) -> None:
    when = "Fri, 20 Nov 2026 09:00:00 GMT"
    room.answer("/old.xml", rss(), type="text/xml", Last_Modified=when)
    room.set(url=f"{room.origin}/old.xml")
    look(room, after(room.source, look(room)))
    assert room.seen_headers[-1]["if-modified-since"] == when


def test_the_validators_of_another_address_are_not_sent(room: FeedRoom) -> None:
    first = look(room)
    room.set(url=f"{room.url}feed/?full=1")
    (page,) = look(room, after(room.source, first))
    assert not page.unchanged


@pytest.mark.parametrize(
    ("head", "headers", "minutes"),
    [
        ("", {}, None),
        ("<ttl>30</ttl>", {}, 30),
        ("<ttl>soon</ttl>", {}, None),
        ("<ttl>99999999</ttl>", {}, 1440),
        ("<sy:updatePeriod>\n hourly </sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", {}, 30),
        ("<sy:updatePeriod>daily</sy:updatePeriod>", {"Cache_Control": "public, max-age=60"}, 1440),
        ("<ttl>5</ttl>", {"Cache_Control": "max-age=900", "Age": "300"}, 10),
        ("", {"Cache_Control": "no-cache, max-age=900"}, None),
    ],
)
def test_how_long_a_feed_asks_to_be_left_alone(
    room: FeedRoom, head: str, headers: dict[str, str], minutes: int | None
) -> None:
    names = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    room.answer("/feed/", rss(*ITEMS, head=head, attributes=names), type="text/xml", **headers)
    (page,) = look(room)
    assert page.next_look == (timedelta(minutes=minutes) if minutes else None)
    room.answer("/feed/", status=304)
    (page,) = look(room, after(room.source, [page]))
    assert page.unchanged
    if not headers:
        assert page.next_look == (timedelta(minutes=minutes) if minutes else None)


def test_a_password_is_sent(room: FeedRoom) -> None:
    room.set(secrets={"username": "nora", "password": "s3cret"})
    look(room)
    assert room.seen_headers[-1]["authorization"] == "Basic bm9yYTpzM2NyZXQ="


def test_a_check_counts_what_cannot_be_read(room: FeedRoom) -> None:
    room.publish("ferry", "Ferry returns")
    room.publish("lamp", "Lamp relit")
    room.spoil("lamp")
    assert room.fetcher.check(room.source, now=NOW) == "The Harbour Gazette: 1 article, 1 not readable"


# ---------------------------------------------------------------- what is no feed


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "nothing at all"),
        (b"  \n", "nothing at all"),
        (b"<html><body><h1>Back soon</h1></body></html>", "a web page titled “Back soon”"),
        (b"<p>Maintenance</p>", "a web page"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="y"><feed>no</feed></html>', "a web page"),
        (b'{"code":"rest_no_route","message":"No route was found."}', "a JSON message “No route was found.”"),
        (b"[1, 2]", "JSON of another kind"),
        (b"<opml><body/></opml>", "a web page"),
        (b"<?xml version='1.0'?><urlset/>", "XML of another kind"),
        (b"Service temporarily unavailable", "neither XML nor JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0", "neither XML nor JSON"),
    ],
)
def test_what_is_no_feed_is_named_with_the_remedy(body: bytes, words: str) -> None:
    with pytest.raises(SourceInvalid, match=r"publisher init --from https://harbour-gazette[.]example") as caught:
        read(body, "application/rss+xml", URL)
    assert words in str(caught.value)


@pytest.mark.parametrize("title", ["Are you human?", "Just a moment...", "Attention Required! | Cloudflare"])
def test_a_page_that_keeps_programs_out_is_told_apart_from_a_wrong_address(title: str) -> None:
    with pytest.raises(SourceInvalid, match="ask its host to admit Publisher") as caught:
        read(f"<!DOCTYPE html><html><title>{title}</title><body>".encode(), "text/html", URL)
    assert f"a web page titled “{title}”" in str(caught.value)
    assert "publisher init" not in str(caught.value)


def test_xml_with_nothing_to_read_in_it_names_the_line() -> None:
    with pytest.raises(SourceInvalid, match="line 4"):
        read(b'<?xml version="1.0"?>\n<rss version="2.0">\n<channel>\n<title>T</item>', "text/xml", URL)


def test_json_that_is_cut_off_is_named() -> None:
    with pytest.raises(SourceInvalid, match="not well-formed JSON"):
        read(b'{"version": "https://jsonfeed.org/version/1.1", "items": [', "", URL)


def test_a_feed_without_items_is_a_feed() -> None:
    assert read(rss(), "text/xml", URL).articles == ()
    assert read(b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "text/xml", URL).articles == ()


# ---------------------------------------------------------------- broken in part


def test_broken_xml_gives_what_reads_and_one_report() -> None:
    body = rss("<item><title>One</title><guid>1</guid></item><item><title>Two</title><guid>2</guid></x></item>")
    reading = read(b"\n\n" + body, "text/xml", URL)
    assert [article.title for article in reading.articles] == ["One", "Two"]
    assert [refusal.reason for refusal in reading.refused] == ["is not well-formed XML (line 3: mismatched tag)"]


def test_an_item_that_is_cut_off_is_not_taken_for_an_article() -> None:
    whole = rss(*(f"<item><title>{n}</title><guid>{n}</guid><description>Text</description></item>" for n in "123"))
    reading = read(whole[: whole.index(b"Text", 220) + 2], "text/xml", URL)
    assert [article.title for article in reading.articles] == ["1", "2"]
    assert len(reading.refused) == 1


def test_an_item_with_nothing_in_it_is_refused() -> None:
    reading = read(rss("<item/>", "<item><pubDate>Fri, 20 Nov 2026 09:00:00 GMT</pubDate></item>"), "text/xml", URL)
    assert reading.articles == ()
    assert [refusal.item for refusal in reading.refused] == ["item 1", "item 2"]


def test_untitled_and_undated_items_are_read() -> None:
    (article,) = read(rss("<item><description>Just a line.</description></item>"), "text/xml", URL).articles
    assert (article.title, article.published_at, article.updated_at) == ("", None, None)
    assert article.content_html == "<p>Just a line.</p>"


def test_of_two_items_with_one_id_the_newer_is_taken_and_the_other_reported() -> None:
    old = "<item><title>Old</title><guid>7</guid><pubDate>Fri, 20 Nov 2026 09:00:00 GMT</pubDate></item>"
    new = "<item><title>New</title><guid>7</guid><pubDate>Sat, 21 Nov 2026 09:00:00 GMT</pubDate></item>"
    for items in ((old, new), (new, old)):
        reading = read(rss(*items), "text/xml", URL)
        assert [article.title for article in reading.articles] == ["New"]
        assert [(refusal.item, "same id, 7" in refusal.reason) for refusal in reading.refused] == [("Old", True)]
    assert read(rss(old, old), "text/xml", URL).refused == ()


def test_an_id_that_only_names_the_site_is_none() -> None:
    item = "<item><title>{0}</title><link>/{0}</link><guid>https://harbour-gazette.example/</guid></item>"
    body = rss(item.format("a"), item.format("b"), head="<link>https://harbour-gazette.example/</link>")
    assert [(one.native_id, one.url[-2:]) for one in read(body, "text/xml", URL).articles] == [("", "/a"), ("", "/b")]
    assert [one.guid for one in read(body, "text/xml", URL).articles] == ["", ""]


def test_an_article_keeps_its_identity_when_its_feed_breaks() -> None:
    items = "<item><title>One</title><guid>abc-1</guid><link>/one</link><author>n@g.example (Nora)</author></item>"
    fine, broken = (read(rss(items + more), "text/xml", URL).articles[0] for more in ("", "<item><title>x</b></item>"))
    assert replace(fine, raw_hash="", authors=()) == replace(broken, raw_hash="", authors=())


def test_the_raw_hash_is_of_the_item_alone() -> None:
    item = '<item><title>One</title><enclosure url="/a.mp3" type="audio/mpeg"/></item>'
    turned = '<item>\n<title>One</title><enclosure type="audio/mpeg" url="/a.mp3"/></item>\n'
    first = read(rss(item), "text/xml", URL).articles[0].raw_hash
    assert first == read(rss(item, head="<lastBuildDate>now</lastBuildDate>"), "text/xml", URL).articles[0].raw_hash
    assert first != read(rss(item.replace("One", "Two")), "text/xml", URL).articles[0].raw_hash
    assert len(first) == 64
    assert read(rss(turned), "text/xml", URL).articles[0].title == "One"


# ---------------------------------------------------------------- what is known


ITEMS = [f"<item><title>{n}</title><guid>{n}</guid><description>Tide {n}</description></item>" for n in "abcdef"]


def store(*readings: Any) -> Any:
    """What a store knows that holds these readings' articles."""
    known = {article.raw_hash: article.native_id for reading in readings for article in reading.articles}
    return Before(known=lambda hashes: {hash: known[hash] for hash in hashes if hash in known})


def test_only_what_changed_is_read_when_the_build_date_moved() -> None:
    first = read(rss(*ITEMS, head="<lastBuildDate>now</lastBuildDate>"), "text/xml", URL)
    changed = [*ITEMS[:3], ITEMS[3].replace("Tide", "Ebb"), *ITEMS[4:], ITEMS[0].replace(">a<", ">new<")]
    second = read(rss(*changed, head="<lastBuildDate>later</lastBuildDate>"), "text/xml", URL, store(first))
    assert [article.native_id for article in second.articles] == ["d", "new"]
    assert second.same == 5


@pytest.mark.parametrize(
    ("head", "attributes"),
    [
        ("<language>ga</language>", ""),
        ("<link>https://elsewhere.example/</link>", ""),
        ("", 'xml:base="https://elsewhere.example/"'),
        ("", 'xmlns:media="http://search.yahoo.com/mrss/"'),
    ],
)
def test_an_item_is_read_again_when_what_it_takes_over_from_its_feed_changed(head: str, attributes: str) -> None:
    first = read(rss(*ITEMS), "text/xml", URL)
    assert len(read(rss(*ITEMS, head=head, attributes=attributes), "text/xml", URL, store(first)).articles) == 6


def test_two_items_with_one_id_never_take_turns() -> None:
    """One of them known and the other not would otherwise be a change at every look."""
    old, new = (
        f"<item><guid>7</guid><title>{title}</title><pubDate>{day} Nov 2026 09:00:00 GMT</pubDate></item>"
        for title, day in (("Old", 20), ("New", 21))
    )
    first = read(rss(old, *ITEMS), "text/xml", URL)
    for items in ((old, new), (new, old)):
        both = read(rss(*items, *ITEMS), "text/xml", URL, store(first))
        assert [article.title for article in both.articles] == ["New"]
        again = read(rss(*items, *ITEMS), "text/xml", URL, store(first, both))
        assert [article.title for article in again.articles] == ["New"]
    link = "<item><link>/x?utm_source={0}</link><title>{0}</title></item>"
    pair = rss(link.format(1), link.format(2))
    assert read(pair, "text/xml", URL, store(read(pair, "text/xml", URL))).same == 0
    pair = rss(*(f"<item><guid>{n}</guid><title>{n}</title><link>/same</link></item>" for n in "ab"))
    before = store(read(pair, "text/xml", URL))
    assert read(pair, "text/xml", URL, before).same == 2
    assert read(pair, "text/xml", URL, replace(before, by_address=True)).same == 0


def test_what_is_refused_is_told_at_every_look() -> None:
    first = read(rss("<item/>", *ITEMS), "text/xml", URL)
    second = read(rss("<item/>", *ITEMS), "text/xml", URL, store(first))
    assert [refusal.item for refusal in second.refused] == ["item 1"]
    assert second.same == 6


def test_an_item_that_has_to_be_mended_is_known_like_any_other_and_makes_no_other_new() -> None:
    """Numbers of windows-1252 are mended in the whole document; what is known is not looked through for them."""
    strange = "<item><title>Tide&#146;s</title><guid>s</guid></item>"
    first = read(rss(*ITEMS), "text/xml", URL)
    second = read(rss(strange, *ITEMS), "text/xml", URL, store(first))
    assert ([article.title for article in second.articles], second.same) == (["Tide’s"], 6)
    third = read(rss(strange, *ITEMS), "text/xml", URL, store(first, second))
    assert (third.articles, third.same) == ((), 7)


@pytest.mark.parametrize("name", ["item", "entry", "x:item", "x-y.z:entry", "å:item"])
def test_items_are_found_under_any_prefix(name: str) -> None:
    found = take_apart(f"<a><{name}>1</{name}><items/><b:items/><{name} c='>'/></a>".encode())
    assert found
    assert len(found.items) == 2


def test_tags_of_items_in_texts_are_no_items() -> None:
    traps = "<![CDATA[</item><item>]]><!-- <item> --><?x <item> ?><b title='>'/><items><item/></items>"
    body = rss(f"<item rdf:about='>' xmlns:rdf='x'><guid>t</guid><description>{traps}</description></item>", *ITEMS)
    first = read(body, "text/xml", URL)
    assert len({article.native_id for article in first.articles}) >= 6
    assert first.refused == ()


def test_json_items_are_known_too() -> None:
    items = [{"id": str(number), "content_text": f"Tide {number}"} for number in range(4)]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": items}
    first = read(json.dumps(feed).encode(), "", URL)
    items[2]["content_text"] = "Ebb"
    second = read(json.dumps({**feed, "description": "new"}).encode(), "", URL, store(first))
    assert ([article.native_id for article in second.articles], second.same) == (["2"], 3)
    items.append({"id": "1", "content_text": "Twice"})
    assert len(read(json.dumps(feed).encode(), "", URL, store(first)).refused) == 1


@pytest.mark.parametrize(
    ("generator", "period", "hours"),
    [
        ("https://wordpress.org/?v=6.4", "hourly", None),
        ("https://wordpress.org/?v=6.4", "daily", 24),
        ("", "hourly", 1),
    ],
)
def test_what_wordpress_writes_into_every_feed_is_no_wish(generator: str, period: str, hours: int | None) -> None:
    head = f"<generator>{generator}</generator><sy:updatePeriod>{period}</sy:updatePeriod>"
    head += "<sy:updateFrequency>1</sy:updateFrequency>"
    body = rss(*ITEMS, head=head, attributes='xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"')
    assert read(body, "text/xml", URL).next_look == (timedelta(hours=hours) if hours else None)


# ---------------------------------------------------------------- fields

FIELD_NAMES = (
    'xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom" '
    'xmlns:media="http://search.yahoo.com/mrss/" xml:lang="de"'
)


def an_item(inside: str, *, whole: bool = True) -> FetchedArticle:
    """As read from a document that is well-formed, or is not."""
    body = rss(f"<item><guid>1</guid>{inside}</item>", attributes=FIELD_NAMES)
    return read(body if whole else body + b"<", "text/xml", URL).articles[0]


@pytest.mark.parametrize("whole", [True, False])
def test_an_items_own_language_goes_before_that_of_the_feed(whole: bool) -> None:
    assert an_item("<title>A</title><d:language>fr</d:language>", whole=whole).language == "fr"
    assert an_item("<title>A</title>", whole=whole).language == "de"


@pytest.mark.parametrize("whole", [True, False])
def test_a_correction_moves_no_date_of_publication(whole: bool) -> None:
    dates = "<d:date>2026-11-20T10:00:00Z</d:date><atom:updated>2026-11-21T10:00:00Z</atom:updated>"
    article = an_item(f"<title>A</title>{dates}", whole=whole)
    assert article.published_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert article.updated_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    both = an_item(f"<title>A</title><pubDate>Thu, 19 Nov 2026 10:00:00 GMT</pubDate>{dates}", whole=whole)
    assert both.published_at == datetime(2026, 11, 19, 10, tzinfo=UTC)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_said_of_a_picture_is_not_the_articles_text(whole: bool) -> None:
    said = "<media:title>Quay</media:title><media:description>A quay in the fog</media:description>"
    picture = '<media:content url="/quay.jpg" type="image/jpeg">'
    article = an_item(f"<link>/1</link>{picture}{said}</media:content>", whole=whole)
    assert (article.title, article.content_html) == ("", "")
    assert article.image is not None
    assert article.image.alt == ("A quay in the fog" if whole else "")
    article = an_item(f"<link>/1</link>{picture}</media:content>{said}", whole=whole)
    assert (article.title, article.content_html) == ("Quay", "<p>A quay in the fog</p>")


def test_an_atom_id_is_taken_as_it_stands_whatever_the_base() -> None:
    def ids(base: str) -> tuple[str, str, str]:
        head = f'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="{base}"><title>T</title>'
        entry = '<entry><id>story-1</id><title>A</title><link href="/1"/></entry></feed>'
        (article,) = read((head + entry).encode(), "text/xml", URL).articles
        return article.native_id, article.guid, article.once

    assert ids("https://old.example/") == ("story-1", "story-1", "https://old.example/story-1")
    assert ids("https://new.example/")[:2] == ("story-1", "story-1")


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("declared", "content_type", "written"),
    [
        ("utf-8", "text/xml", "utf-8"),
        ("iso-8859-1", "text/xml", "cp1252"),  # Latin-1 means windows-1252
        ("utf-8", "text/xml", "cp1252"),  # a lie
        ("iso-8859-1", "text/xml", "utf-8"),  # another
        ("us-ascii", "text/xml", "utf-8"),
        ("utf-8", "text/xml; charset=windows-1252", "cp1252"),
        ("iso-8859-1", "text/xml; charset=UTF-8", "utf-8"),
        ("utf-16", "text/xml", "utf-16"),
        ("utf-16", "text/xml", "utf-16-le"),
        ("utf-8", "text/xml", "utf-16-be"),
        ("utf-8", "text/xml", "utf-8-sig"),
        ("utf-32", "text/xml", "utf-32"),
        ("no-such-thing", "text/xml", "utf-8"),
        ("utf-7", "text/xml", "utf-8"),
    ],
)
def test_text_is_read_as_it_was_meant(declared: str, content_type: str, written: str) -> None:
    body = f'<?xml version="1.0" encoding="{declared}"?>' + rss("<item><title>“Café” – 5 €</title></item>").decode()
    (article,) = read(body.encode(written), content_type, URL).articles
    assert article.title == "“Café” – 5 €"


@pytest.mark.parametrize(
    ("encoding", "title"),
    [("shift_jis", "港の新聞"), ("euc-jp", "港の新聞"), ("gb2312", "海港报"), ("koi8-r", "Гавань"), ("big5", "海港")],
)
def test_other_alphabets_are_read_as_declared(encoding: str, title: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?>' + rss(f"<item><title>{title}</title></item>").decode()
    assert read(body.encode(encoding), "text/xml", URL).articles[0].title == title


#: Names of the Encoding standard with their labels, as Python calls what each stands for, and a word in it.
LABELS = json.loads((DATA.parent / "encoding_labels.json").read_text())
WORDS = {
    "utf-8": ("utf-8", "Café – 港"),
    "ibm866": ("cp866", "Гавань"),
    "iso-8859-2": ("iso8859-2", "Žluťoučký kůň"),
    "iso-8859-3": ("iso8859-3", "Ĉirkaŭ"),
    "iso-8859-4": ("iso8859-4", "Ķekava"),
    "iso-8859-5": ("iso8859-5", "Гавань"),
    "iso-8859-6": ("iso8859-6", "مرحبا"),
    "iso-8859-7": ("iso8859-7", "Καλημέρα"),
    "iso-8859-8": ("iso8859-8", "שלום"),
    "iso-8859-8-i": ("iso8859-8", "שלום"),
    "iso-8859-10": ("iso8859-10", "Ðŋ"),
    "iso-8859-13": ("iso8859-13", "Šiauliai ų"),
    "iso-8859-14": ("iso8859-14", "Ŵŷ"),
    "iso-8859-15": ("iso8859-15", "Œuvre 5 €"),
    "iso-8859-16": ("iso8859-16", "Ștefan"),
    "koi8-r": ("koi8-r", "Гавань"),
    "koi8-u": ("koi8-u", "Київ"),
    "macintosh": ("mac-roman", "“Café”"),
    "windows-874": ("cp874", "สวัสดี…"),
    "windows-1250": ("cp1250", "“Žluťoučký” kůň"),
    "windows-1251": ("cp1251", "«Гавань»"),
    "windows-1252": ("cp1252", "“Café” 5 €"),
    "windows-1253": ("cp1253", "“Καλημέρα”"),
    "windows-1254": ("cp1254", "“İstanbul”"),
    "windows-1255": ("cp1255", "“שלום”"),
    "windows-1256": ("cp1256", "“مرحبا”"),
    "windows-1257": ("cp1257", "“Šiauliai”"),
    "windows-1258": ("cp1258", "“Đà”"),
    "x-mac-cyrillic": ("mac-cyrillic", "“Гавань”"),
    "gbk": ("gb18030", "海港报 〇 镕"),
    "gb18030": ("gb18030", "海港报 ㎡ 😀"),
    "big5": ("big5hkscs", "海港 嘅"),
    "euc-jp": ("euc_jp", "港の新聞"),
    "iso-2022-jp": ("iso2022_jp", "港の新聞"),
    "shift_jis": ("cp932", "港の新聞 ①"),
    "euc-kr": ("cp949", "항구 똠"),
}


@pytest.mark.parametrize("name", WORDS)
def test_every_label_that_a_browser_knows_is_read_as_it_reads_it(name: str) -> None:
    encoding, title = WORDS[name]
    written = unicodedata.normalize("NFD", title) if name == "windows-1258" else title
    body = rss(f"<item><title>{written}</title></item>").decode().encode(encoding)
    read_as = {label: read(body, f"text/xml; charset={label}", URL).articles[0].title for label in LABELS[name].split()}
    assert read_as == dict.fromkeys(LABELS[name].split(), written)


def test_no_other_label_changes_how_a_document_is_read() -> None:
    others = {label for name in LABELS.keys() - WORDS.keys() for label in LABELS[name].split()}
    body = rss("<item><title>Café</title></item>")
    for label in {*others, "utf-7", "rot13", "unicode_escape", "cp037", "hz", "base64", "a\0b"}:
        assert read(body, f"text/xml; charset={label}", URL).articles[0].title == "Café", label


def test_one_stray_byte_spoils_no_other() -> None:
    body = rss("<item><title>Café – 5 XX €</title></item>").replace(b"XX", b"\x93x\x94")
    assert read(body, "text/xml", URL).articles[0].title == "Café – 5 “x” €"


def test_characters_that_xml_forbids_are_left_out() -> None:
    body = rss("<item><title>Tide\x0b\x00 high&#11;&#0;&#xFFFE;&#x1F;&#xD800;&#146;s</title></item>")
    reading = read(body, "text/xml", URL)
    assert (reading.articles[0].title, reading.refused) == ("Tide high’s", ())


def test_escapes_that_xml_does_not_know_are_read() -> None:
    body = rss("<item><title>Caf&eacute; & bar&nbsp;&hellip; &bogus; R&D</title><link>/a?x=1&y=2</link></item>")
    (article,) = (reading := read(body, "text/xml", URL)).articles
    assert (article.title, article.url) == ("Café & bar … &bogus; R&D", "https://harbour-gazette.example/a?x=1&y=2")
    assert reading.refused == ()


# ---------------------------------------------------------------- attacks


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE rss [<!ENTITY l0 "ha">{LAUGHS}]>',
        f'<!DOCTYPE rss [<!ENTITY l11 "{"ha" * 500_000}">]>',
        '<!DOCTYPE rss [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/evil.dtd">',
    ],
)
def test_no_entity_of_the_feeds_own_is_ever_expanded(doctype: str) -> None:
    began = time.process_time()
    body = doctype.encode() + rss("<item><title>" + "&l11;" * 1000 + "</title></item>")
    (article,) = read(body, "text/xml", URL).articles
    assert article.title == "&l11;" * 1000
    assert time.process_time() - began < 2


def test_a_body_that_looks_like_a_path_opens_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "rss"
    secret.write_bytes(rss("<item><title>Secret</title></item>"))
    with pytest.raises(SourceInvalid):
        read(str(secret).encode(), "text/xml", URL)


PIECES = """
    <rss version="2.0"> <channel> <item> </item> <title> </title> <link> <guid> <description> <![CDATA[ ]]> &amp; &#x
    &#1114112; <feed xmlns="http://www.w3.org/2005/Atom"> <entry> <content type="xhtml"> <content type="base64"> <div>
    <rdf:RDF <media:content url="http://[" <enclosure url="x" length="1e999"/> <pubDate>Fri, 99 Nov 2026 +9999 <id>
    <itunes:duration>9:9:9:9 <author>a@b (c <updated>2026-13-45T99:99:99Z <georss:point>1,x</georss:point> <!-- -->
    <category term="x" <?xml version="1.0" encoding="utf-16"?> <!DOCTYPE x [ ]> xml:base="http://[" xml:lang="x" ]}
    {"version":"https://jsonfeed.org/version/1" ,"items":[ {"id":{} ,"attachments":[1,{"url":"//["}] "date_published":
"""
BITS = st.sampled_from(PIECES.split()) | st.text(max_size=5)
SOUP = st.lists(BITS, max_size=25).map(lambda bits: " ".join(bits).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("broken", ["", "<unclosed>"], ids=["well-formed", "not well-formed"])
def test_a_base_ends_with_its_element(broken: str) -> None:
    """Also where the feed says none (RFC 4287 section 2)."""
    entries = [
        f'<entry><id>{n}</id><title>Gale {n}</title><content type="html"{base}>No boats</content></entry>'
        for n, base in enumerate([' xml:base="https://elsewhere.example/img/"', ""])
    ]
    body = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>{"".join(entries)}{broken}</feed>'
    first, second = read(body.encode(), "application/atom+xml", URL).articles
    assert (first.base_url, second.base_url) == ("https://elsewhere.example/img/", URL)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=300) | SOUP)
def test_any_bytes_give_articles_or_a_source_error(body: bytes) -> None:
    with suppress(SourceError):
        reading = read(body, "text/xml", URL)
        assert all(one.native_id or one.url or one.title or one.content_html for one in reading.articles)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A recorded document with a few pieces cut out, doubled, or put where they do not belong."""
    body = draw(st.sampled_from(GOLDEN)).read_bytes()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 80))
        put = draw(st.sampled_from([b"", body[start:end] * 2, *(bit.encode() for bit in PIECES.split())]))
        body = body[:start] + put + body[end:]
    return body


def check_reading(body: bytes) -> None:
    """Articles or a SourceError, in time; and what is known is left out without a change to anything else."""
    began = time.process_time()
    try:
        everything = read(body, "text/xml", URL)
    except SourceError:
        return
    finally:
        assert time.process_time() - began < 5
    known = {article.raw_hash: "x" for article in everything.articles[::2]}
    again = read(body, "text/xml", URL, Before(known=lambda _: known))
    assert [one for one in everything.articles if one.raw_hash not in known] == [
        one for one in again.articles if one.raw_hash not in known
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=damaged())
def test_a_damaged_feed_gives_articles_or_a_source_error(body: bytes) -> None:
    check_reading(body)


# ---------------------------------------------------------------- over the network


def test_a_web_page_in_place_of_the_feed_is_refused(room: FeedRoom) -> None:
    room.answer("/feed/", b"<html><title>Log in</title>", type="text/html")
    with pytest.raises(SourceInvalid, match="a web page titled “Log in”"):
        look(room)


def test_a_feed_that_drips_is_given_up(room: FeedRoom) -> None:
    room.misbehave("/feed/", newsroom.drip)
    room.fetcher = Syndication(limits=Limits(total=0.2))
    with pytest.raises(SourceUnavailable, match="did not finish"):
        look(room)


def test_a_feed_of_5_gb_is_refused(room: FeedRoom) -> None:
    room.misbehave("/feed/", newsroom.huge)
    with pytest.raises(SourceInvalid, match="more than 20 MB"):
        look(room)


def test_a_private_address_needs_permission(room: FeedRoom) -> None:
    room.set(allow_private=False)
    with pytest.raises(SourceInvalid, match="allow_private"):
        look(room)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("Fri, 20 Nov 2026 10:00:00 GMT", "2026-11-20T10:00"),
        ("Fri, 20 Nov 2026 10:00:00 +0530", "2026-11-20T04:30"),
        ("Fri, 20 Nov 2026 10:00:00 EST", "2026-11-20T15:00"),
        ("Fri, 20 Nov 2026 10:00:00 CEST", "2026-11-20T08:00"),
        ("Fri, 20 Nov 2026 10:00:00 -0500 (EST)", "2026-11-20T15:00"),
        ("Fri, 20 Nov 2026 10:00:00 GMT+0100", "2026-11-20T09:00"),
        ("Mon, 20 Nov 2026 10:00:00 XYZ", "2026-11-20T10:00"),  # a weekday and a zone that are wrong
        ("20 Nov 26 10:00 GMT", "2026-11-20T10:00"),
        ("20 November 2026", "2026-11-20T00:00"),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00"),
        ("2026-11-20T10:00:00.1234567-08:00", "2026-11-20T18:00"),
        ("2026-11-20 10:00:00 +0100", "2026-11-20T09:00"),
        ("2026-11-20T10:00:00", "2026-11-20T10:00"),
        ("2026-11-20", "2026-11-20T00:00"),
        ("0000-00-00 00:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_as_feeds_write_them(value: object, read_as: str | None) -> None:
    found = moment(value)
    assert (found and found.replace(second=0, microsecond=0)) == (
        datetime.fromisoformat(read_as).replace(tzinfo=UTC) if read_as else None
    )


@pytest.mark.parametrize(
    ("text", "name", "mail"),
    [
        ("nora@harbour-gazette.example (Nora Quill)", "Nora Quill", "nora@harbour-gazette.example"),
        ("Nora Quill <nora@harbour-gazette.example>", "Nora Quill", "nora@harbour-gazette.example"),
        ("nora@harbour-gazette.example", "nora", "nora@harbour-gazette.example"),
        (" Nora  Quill ", "Nora Quill", ""),
    ],
)
def test_people_are_read_as_feeds_write_them(text: str, name: str, mail: str) -> None:
    assert person(text) == (name, mail)


def test_durations_are_seconds() -> None:
    assert [seconds(value) for value in ("754", 754, "12:34", "1:02:03", "", None, "x", "1:x")] == [
        754, 754, 754, 3723, 0, 0, 0, 60,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "only_repeats"),
    [
        ("The tide comes in […]", True),
        ("The tide comes in...", True),
        ("The tide comes in [...] Read more", True),
        ("The tide – comes in", True),
        ("The tide came in", False),
        ("What the tide brought", False),
    ],
)
def test_a_summary_that_only_repeats_the_beginning_is_known(summary: str, only_repeats: bool) -> None:
    assert starts(summary, "The tide comes in and goes out again.") is only_repeats
    picture = '<figure><img src="/a.jpg" alt="' + "The quay " * 200 + '"></figure>'
    text = "<p>The <em>tide</em> comes in and goes <b>out again.</b></p>"
    rest = "<p>Again, and again.</p>" * 500
    for content in (text, text + rest, picture + text + rest, f"<div>{text}{rest}</div>", rest[:-4] * 20):
        assert repeats(summary, content) is starts(summary, plain(content))


@pytest.mark.parametrize("tag", ['"a\0b"', '"' + "x" * 5000 + '"'])
def test_a_validator_that_could_not_be_kept_or_sent_back_is_left_out(room: FeedRoom, tag: str) -> None:
    body = b"<rss version='2.0'><channel><title>Quay</title></channel></rss>"
    room.answer("/feed/", body, type="text/xml", ETag=tag)
    (page,) = room.fetcher.fetch(room.source, now=NOW)
    assert page.cursor["etag"] == ""


def test_what_is_refused_is_named_on_one_line() -> None:
    item = {"title": "a\nok: all is well", "content_html": "<b>" * 300_000, "summary": "<b>" * 300_000}
    feed = {"version": "https://jsonfeed.org/version/1.1", "items": [item]}
    (refusal,) = read(json.dumps(feed).encode(), "", URL).refused
    assert refusal.item == "a ok: all is well"
