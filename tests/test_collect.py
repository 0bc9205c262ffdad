from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from publisher.collect import LABELS, TITLE, Accepted, Tally, accept, record
from publisher.errors import Conflict
from publisher.model import (
    Article,
    ArticleState,
    Author,
    Enclosure,
    Fetched,
    FetchedArticle,
    Image,
    Refusal,
    RevisionKind,
)
from publisher.store import Database, open_store
from tests.people import NOW, site, source

LATER = NOW + timedelta(hours=1)
NEWSROOM = source()


@pytest.fixture
def store(memory_store: Database) -> Database:
    memory_store.sources.sync([NEWSROOM, source("website")], renamed={})
    return memory_store


def sent(title: str = "Ferry returns", **changes: Any) -> FetchedArticle:
    return replace(
        FetchedArticle(
            native_id="ferry",
            title=title,
            standfirst="One boat, and a waiting list.",
            content_html="<p>She sailed at ten past nine.</p>",
            authors=(Author(name="Niamh Casey"),),
            categories=("Harbour",),
        ),
        **changes,
    )


def look(store: Database, *articles: FetchedArticle, now: datetime = NOW, of: str = "newsroom") -> Accepted:
    """Collect one page, and record it."""
    page = Fetched(articles=articles, cursor={})
    accepted = accept(source(of), page, store.articles, site=site(), now=now)
    record(accepted, store.articles)
    return accepted


def stored(store: Database) -> Article:
    (article,) = store.articles.each()
    return article


def only(store: Database, article: FetchedArticle, *, now: datetime = NOW) -> Article:
    """The article as it is stored after one look."""
    look(store, article, now=now)
    return stored(store)


# ---------------------------------------------------------------- new, changed, the same


def test_a_new_article_is_stored_with_its_first_revision(store: Database) -> None:
    accepted = accept(NEWSROOM, Fetched(articles=(sent(),), cursor={}), store.articles, site=site(), now=NOW)
    assert not list(store.articles.each()), "deciding writes nothing"
    (recorded,) = record(accepted, store.articles)
    assert recorded == stored(store)
    assert recorded.id
    assert (recorded.state, recorded.first_seen_at) == (ArticleState.LIVE, NOW)
    assert (recorded.revision.number, recorded.revision.kind) == (1, RevisionKind.FIRST)
    assert recorded.revision.language == "en"


def test_a_second_look_changes_nothing(store: Database) -> None:
    for raw_hash in ("", "r1"):
        look(store, sent(raw_hash=raw_hash))
        before = list(store.articles.each())
        again = look(store, sent(raw_hash=raw_hash), now=LATER)
        assert again == Accepted(unchanged=1)
        assert list(store.articles.each()) == before


def test_what_the_source_sent_alike_is_not_even_cleaned(store: Database) -> None:
    look(store, sent(raw_hash="r1"))
    again = look(store, sent(raw_hash="r1", content_html="<p>" * 300_000), now=LATER)
    assert again == Accepted(unchanged=1)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Ferry delayed"},
        {"standfirst": "No boat."},
        {"content_html": "<p>She sailed at ten.</p>"},
        {"authors": (Author(name="Tom Byrne"),)},
        {"authors": (Author(name="Niamh Casey", biography="Covers the port."),)},
        {"categories": ("Harbour", "News")},
        {"tags": ("ferry",)},
        {"image": Image(url="https://g.example/a.jpg")},
        {"enclosures": (Enclosure(url="https://g.example/a.mp3", type="audio/mpeg"),)},
    ],
)
def test_every_change_of_content_is_a_new_revision_and_the_old_one_stays(store: Database, change: Any) -> None:
    before = only(store, sent(raw_hash="r1"))
    accepted = look(store, sent(raw_hash="r2", **change), now=LATER)
    after = stored(store)
    assert accepted.changed[0].id == after.id == before.id
    assert (after.revision.number, after.revision.kind) == (2, RevisionKind.EDIT)
    assert (after.revision.published_at, after.revision.updated_at) == (NOW, LATER)
    assert store.articles.revisions([(before.id, 1)])[before.id, 1] == before.revision
    assert look(store, sent(raw_hash="r2", **change), now=LATER) == Accepted(unchanged=1)


def test_a_moved_date_and_other_noise_is_no_change(store: Database) -> None:
    look(store, sent(raw_hash="r1", published_at=NOW - timedelta(days=1)))
    noise = "<div></div>\n<p class='x'>She  sailed at ten past nine.</p><script>9</script>"
    again = sent(
        title=" Ferry\nreturns ",
        content_html=noise,
        categories=("Harbour ", "harbour"),
        published_at=NOW,
        updated_at=NOW,
    )
    assert look(store, replace(again, raw_hash="r2"), now=LATER).changed == ()
    assert stored(store).revision.published_at == NOW - timedelta(days=1)


def test_an_equal_text_with_another_raw_hash_is_remembered_as_seen(store: Database) -> None:
    look(store, sent(raw_hash="r1", published_at=NOW))
    accepted = look(store, sent(raw_hash="r2", published_at=LATER, url="https://g.example/ferry"), now=LATER)
    assert (len(accepted.touched), accepted.changed) == (1, ())
    after = stored(store)
    assert (after.revision.number, after.revision.raw_hash, after.revision.published_at) == (1, "r2", NOW)
    assert after.canonical_url == "https://g.example/ferry"
    assert look(store, sent(raw_hash="r2"), now=LATER) == Accepted(unchanged=1)


def test_a_page_that_another_process_recorded_first_is_decided_anew(store: Database) -> None:
    look(store, sent())
    page = Fetched(articles=(sent("Ferry delayed"), sent("Lamp relit", native_id="lamp")), cursor={})
    accepted = accept(NEWSROOM, page, store.articles, site=site(), now=LATER)
    assert len(record(accepted, store.articles)) == 2
    with pytest.raises(Conflict):
        record(accepted, store.articles)
    assert accept(NEWSROOM, page, store.articles, site=site(), now=LATER) == Accepted(unchanged=2)


# ---------------------------------------------------------------- dates


def test_an_undated_article_is_dated_when_first_seen_and_keeps_that_date(store: Database) -> None:
    assert only(store, sent()).revision.published_at == NOW
    assert only(store, sent("Ferry delayed"), now=LATER).revision.published_at == NOW
    assert only(store, sent("Ferry lost", published_at=LATER), now=LATER).revision.published_at == NOW


def test_a_future_article_is_held_until_its_time(store: Database) -> None:
    assert only(store, sent(published_at=LATER)).state is ArticleState.HELD
    look(store, sent(published_at=LATER), now=LATER)
    assert stored(store).state is ArticleState.HELD, "releasing it is another's work"
    (released,) = store.articles.release(LATER)
    assert (released.state, released.revision.published_at) == (ArticleState.LIVE, LATER)


def test_a_held_article_takes_its_new_time(store: Database) -> None:
    tomorrow = NOW + timedelta(days=1)
    look(store, sent(published_at=LATER, raw_hash="r1"))
    assert len(look(store, sent(published_at=tomorrow, raw_hash="r2")).changed) == 1
    assert store.articles.release(LATER) == ()
    assert (stored(store).state, stored(store).revision.published_at) == (ArticleState.HELD, tomorrow)
    earlier = look(store, sent(published_at=NOW - timedelta(minutes=5), raw_hash="r3"))
    assert earlier.changed[0].state is ArticleState.LIVE
    assert stored(store).revision.published_at == NOW - timedelta(minutes=5)


def test_a_held_article_that_is_edited_stays_held(store: Database) -> None:
    look(store, sent(published_at=LATER))
    after = only(store, sent("Ferry delayed", published_at=LATER))
    assert (after.state, after.revision.number, after.revision.updated_at) == (ArticleState.HELD, 2, LATER)


def test_updated_is_never_before_published_nor_in_the_future(store: Database) -> None:
    day = timedelta(days=1)
    for updated, expected in [
        (None, NOW - day),
        (NOW - 2 * day, NOW - day),
        (NOW - day / 2, NOW - day / 2),
        (LATER, NOW),
    ]:
        accepted = accept(
            NEWSROOM,
            Fetched(articles=(sent(published_at=NOW - day, updated_at=updated),), cursor={}),
            store.articles,
            site=site(),
            now=NOW,
        )
        assert accepted.new[0].revision.updated_at == expected


@pytest.mark.parametrize(
    ("updated", "expected"),
    [
        (timedelta(minutes=30), timedelta(minutes=30)),
        (-timedelta(days=9), timedelta(hours=1)),
        (timedelta(days=9), timedelta(hours=1)),
    ],
)
def test_a_revision_takes_the_sources_time_when_it_can_be_true(
    store: Database, updated: timedelta, expected: timedelta
) -> None:
    look(store, sent())
    after = only(store, sent("Ferry delayed", updated_at=NOW + updated), now=LATER)
    assert after.revision.updated_at == NOW + expected


def test_times_without_a_zone_are_taken_as_utc(store: Database) -> None:
    naive = datetime(2026, 11, 21, 9, 0)  # noqa: DTZ001
    assert only(store, sent(published_at=naive)).revision.published_at == naive.replace(tzinfo=UTC)


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("names", "identity"),
    [
        ({"native_id": "ferry", "guid": "g", "url": "https://g.example/f"}, "ferry"),
        ({"native_id": "", "guid": "g", "url": "https://g.example/f"}, "guid:g"),
        (
            {"native_id": "", "guid": "", "url": "HTTPS://G.Example:443/f?utm_source=x&a=1#top"},
            "url:https://g.example/f?a=1",
        ),
        ({"native_id": "guid:g"}, "id:guid:g"),
        ({"native_id": " fer\x00ry\ud800 "}, "ferry"),
    ],
)
def test_identity_is_native_id_else_guid_else_address(store: Database, names: dict[str, str], identity: str) -> None:
    assert only(store, sent(**names)).native_id == identity


@pytest.mark.parametrize("identity", ["native", "guid"])
def test_an_id_that_comes_to_be_read_differently_is_the_same_article(store: Database, identity: str) -> None:
    newsroom = replace(NEWSROOM, identity=identity)
    for native_id, once in (
        ("https://g.example/1", ""),
        ("1", "https://g.example/1"),
        ("1", "https://moved.example/1"),
    ):
        page = Fetched(articles=(sent(native_id=native_id, guid=native_id, once=once, url=""),), cursor={})
        record(accept(newsroom, page, store.articles, site=site(), now=NOW), store.articles)
    assert stored(store).native_id == ("1" if identity == "native" else "guid:1")


def test_without_any_name_the_content_is_the_identity(store: Database) -> None:
    first = only(store, sent(native_id=""))
    assert first.native_id.startswith("text:")
    assert look(store, sent(native_id=""), now=LATER).new == ()


def test_one_native_id_in_two_sources_is_two_articles(store: Database) -> None:
    look(store, sent())
    look(store, sent(), of="website")
    assert len({article.entry_id for article in store.articles.each()}) == 2


def test_the_entry_id_is_a_tag_uri_and_survives_a_rebuild(store: Database) -> None:
    name = "news/Fähre 7.txt"
    first = only(store, sent(native_id=name))
    assert first.entry_id == "tag:harbour-gazette.example,2026:newsroom/news/F%C3%A4hre%207.txt"
    other = open_store("sqlite://")
    other.sources.sync([source("website"), NEWSROOM], renamed={})
    look(other, sent("Lamp relit", native_id="lamp"), now=LATER)
    look(other, sent("Ferry delayed", native_id=name, url="https://g.example/moved"), now=LATER)
    again = other.articles.known("newsroom", native_ids=[name])[name]
    other.close()
    assert again.entry_id == first.entry_id


def test_long_ids_are_hashed(store: Database) -> None:
    for native_id in ("x" * 5_000, "港" * 100, "y" * 300):
        look(store, sent(native_id=native_id))
        look(store, sent(native_id=native_id), now=LATER)
    articles = list(store.articles.each())
    assert len(articles) == 3
    assert all(len(article.native_id) <= 500 and len(article.entry_id) <= 350 for article in articles)


def test_of_two_articles_with_one_id_the_first_is_kept_and_the_other_named(store: Database) -> None:
    accepted = look(store, sent("Ferry returns", raw_hash="a"), sent("Lamp relit", raw_hash="b"), sent(raw_hash="a"))
    assert [article.revision.title for article in accepted.new] == ["Ferry returns"]
    reason = "same id as “Ferry returns”: give each its own"
    assert accepted.refused == (Refusal(item="Lamp relit", reason=reason, id="ferry"),)


# ---------------------------------------------------------------- cleaning


def test_content_is_cleaned_and_addresses_become_absolute(store: Database) -> None:
    article = only(
        store,
        sent(
            base_url="https://g.example/news/",
            url="/ferry?utm_source=feed#top",
            content_html='<p onclick="x()">See <a href="map">the map</a>.<script>x()</script><img src="/p.jpg"></p>',
            image=Image(url="/lead.jpg", alt=" The\npier ", width=-1, bytes=2**60),
            enclosures=(Enclosure(url="a.mp3", type=""), Enclosure(url="javascript:x", type="x")),
            authors=(
                Author(name=" Niamh  Casey ", url="javascript:x", email="a b@c"),
                Author(name="niamh casey"),
                Author(name="Tom Byrne", email="tom@g.ex\0ample"),
            ),
        ),
    )
    says = article.revision
    assert says.content_html == (
        '<p>See <a href="https://g.example/news/map" rel="noopener noreferrer">the map</a>.'
        '<img src="https://g.example/p.jpg" alt=""/></p>'
    )
    assert article.canonical_url == "https://g.example/ferry"
    assert says.image == Image(url="https://g.example/lead.jpg", alt="The pier")
    assert says.enclosures == (Enclosure(url="https://g.example/news/a.mp3", type="audio/mpeg"),)
    assert says.authors == (Author(name="Niamh Casey"), Author(name="Tom Byrne", email="tom@g.example"))


def test_without_a_picture_of_its_own_an_article_has_the_first_in_its_text(store: Database) -> None:
    says = only(store, sent(content_html='<p>x</p><img src="https://g.example/a.jpg" alt="Pier">')).revision
    assert says.image == Image(url="https://g.example/a.jpg", alt="Pier")


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"title": " Fish &\n<chips> \x00\ud800"}, "Fish & <chips>"),
        ({"title": "", "content_html": "<h2>Tides</h2><p>High water is at four.</p>"}, "High water is at four."),
        ({"title": "", "content_html": "<h2>Tides</h2>"}, "Tides"),
        ({"title": "", "content_html": ""}, "One boat, and a waiting list."),
        (
            {"title": "", "standfirst": "", "content_html": '<img src="https://g.example/a.jpg" alt="The pier">'},
            "The pier",
        ),
        ({"title": "\x00 \ufffe", "content_html": "<p>" + "word " * 50}, "word " * 15 + "word…"),
    ],
)
def test_a_title_is_one_line_and_never_missing(store: Database, changes: Any, title: str) -> None:
    assert only(store, sent(**changes)).revision.title == title


def test_an_endless_title_is_cut_at_a_word(store: Database) -> None:
    title = only(store, sent("harbour " * 700_000)).revision.title
    assert len(title) <= TITLE
    assert title.endswith("harbour…")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": "", "standfirst": " ", "content_html": "<p> </p><script>x</script>"}, "neither a title nor text"),
        ({"content_html": "x" * 6_000_000}, "6,000,000 characters of HTML, an article may have 5,242,880"),
        ({"content_html": "<br>" * 300_000}, "300,000 tags, an article may have 200,000"),
    ],
)
def test_an_article_that_cannot_be_taken_is_refused_and_stops_no_other(
    store: Database, changes: Any, reason: str
) -> None:
    accepted = look(store, sent(**changes), sent("Lamp relit", native_id="lamp"))
    assert [article.native_id for article in accepted.new] == ["lamp"]
    (refusal,) = accepted.refused
    assert reason in refusal.reason
    assert refusal.item in ("Ferry returns", "ferry")


@pytest.mark.parametrize(
    ("url", "name"), [("https://g.example/", "note-7"), ("https://g.example/?p=7", "https://g.example/?p=7")]
)
def test_what_has_the_address_of_a_front_page_is_not_called_by_it(store: Database, url: str, name: str) -> None:
    accepted = look(store, sent("", standfirst="", content_html="", native_id="note-7", url=url))
    assert accepted.refused[0].item == name


def test_a_known_article_that_becomes_unreadable_keeps_its_last_revision(store: Database) -> None:
    before = only(store, sent(raw_hash="r1"))
    accepted = look(store, sent(raw_hash="r2", content_html="<br>" * 300_000), now=LATER)
    assert len(accepted.refused) == 1
    assert stored(store) == before


def test_labels_are_each_there_once_and_bounded(store: Database) -> None:
    says = only(
        store, sent(categories=(" Sport ", "sport", "", "Bord\n na Móna"), tags=tuple(map(str, range(500))))
    ).revision
    assert says.categories == ("Sport", "Bord na Móna")
    assert len(says.tags) == LABELS


@pytest.mark.parametrize(("language", "kept"), [("ga-IE", "ga-IE"), ("en_GB", "en-GB"), ("", "en"), ("x y<", "en")])
def test_the_language_is_the_articles_own_or_the_sites(store: Database, language: str, kept: str) -> None:
    assert only(store, sent(language=language)).revision.language == kept


def test_a_tally_adds_up_pages(store: Database) -> None:
    tally = Tally()
    tally.add(look(store, sent(raw_hash="r1"), sent("", native_id="", standfirst="", content_html="")))
    tally.add(look(store, sent("Ferry delayed", raw_hash="r2"), sent("Lamp relit", native_id="lamp"), now=LATER))
    tally.add(look(store, sent("Ferry delayed", raw_hash="r2"), sent("Lamp relit", native_id="lamp"), now=LATER))
    assert (tally.new, tally.changed, tally.removed, tally.unchanged, len(tally.refused)) == (2, 1, 0, 2, 1)
