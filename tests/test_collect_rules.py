"""Which article it is, how it came in, what is corrected, and what is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from publisher import collect
from publisher.collect import Accepted, accept, record
from publisher.errors import Conflict
from publisher.model import (
    Arrival,
    Article,
    ArticleState,
    Fetched,
    FetchedArticle,
    Listing,
    MailPermission,
    Missing,
    RevisionKind,
    Source,
)
from publisher.store import Database
from tests.people import EDITOR, NOW, article, site, source

LATER = NOW + timedelta(hours=1)
DAY = timedelta(days=1)
READ = source(completed_at=NOW - 30 * DAY)


@pytest.fixture
def store(memory_store: Database) -> Database:
    memory_store.sources.sync([READ], renamed={})
    return memory_store


def sent(native_id: str = "ferry", title: str = "Ferry returns", **changes: Any) -> FetchedArticle:
    text = f"<p>{title}, and she sailed at ten past nine.</p>"
    return replace(FetchedArticle(native_id=native_id, title=title, content_html=text), **changes)


def look(store: Database, *articles: FetchedArticle, of: Source = READ, **how: Any) -> Accepted:
    now = how.pop("now", NOW)
    accepted = accept(of, Fetched(articles=articles, cursor={}), store.articles, site=site(), now=now, **how)
    record(accepted, store.articles)
    return accepted


def stored(store: Database) -> Article:
    (one,) = store.articles.each()
    return one


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("identity", "name"),
    [("native", "7"), ("guid", "guid:https://g.example/?p=7"), ("url", "url:https://g.example/ferry")],
)
def test_a_source_may_have_its_articles_known_by_another_name(store: Database, identity: str, name: str) -> None:
    look(
        store,
        sent("7", guid="https://g.example/?p=7", url="https://g.example/ferry#top"),
        of=replace(READ, identity=identity),
    )
    assert stored(store).native_id == name


def test_what_has_no_such_name_is_known_as_ever(store: Database) -> None:
    look(store, sent("7"), of=replace(READ, identity="url"))
    assert stored(store).native_id == "7"


@pytest.mark.parametrize(("before", "after"), [("native", "url"), ("url", "native"), ("guid", "url")])
def test_changing_the_setting_makes_no_article_new(store: Database, before: str, after: str) -> None:
    one = sent("7", guid="g7", url="https://g.example/ferry", raw_hash="r")
    look(store, one, of=replace(READ, identity=before))
    first = stored(store)
    again = look(store, one, of=replace(READ, identity=after), now=LATER)
    assert (len(again.new), len(again.changed), len(again.touched)) == (0, 0, 1)
    there = stored(store)
    assert there == replace(first, native_id=there.native_id, own_id=there.own_id)
    assert collect.own_id(there) == "7"
    assert stored(store).native_id != first.native_id
    assert look(store, one, of=replace(READ, identity=after), now=LATER) == Accepted(unchanged=1)


def test_a_source_that_begins_to_give_ids_sends_nothing_anew(store: Database) -> None:
    look(store, sent("", url="https://g.example/ferry"))
    again = look(store, sent("urn:7", guid="urn:7", url="https://g.example/ferry"), now=LATER)
    assert again.new == ()
    assert stored(store).native_id == "urn:7"


def test_two_articles_cannot_both_be_the_one_that_went_by_an_address(store: Database) -> None:
    look(store, sent("", url="https://g.example/ferry"))
    pair = [sent(name, url="https://g.example/ferry") for name in ("a", "b")]
    assert [one.native_id for one in look(store, *pair, now=LATER).new] == ["b"]


# ---------------------------------------------------------------- a file that moves


def moved(store: Database, *files: FetchedArticle, now: Any = LATER) -> Accepted:
    """A complete look at a folder, whose list comes before its articles."""
    listing = collect.listed(Listing(look=now.isoformat(), ids=tuple(one.native_id for one in files), complete=True))
    store.listings.add("newsroom", listing, at=now)
    missing = store.listings.compare("newsroom")
    store.listings.miss(missing.gone, at=now)
    store.listings.find(missing.back, at=now)
    accepted = look(store, *files, now=now)
    store.listings.retire("newsroom", at=now, patience=timedelta(0))
    return accepted


def file(path: str, **changes: Any) -> FetchedArticle:
    return sent(path, place=path, raw_hash=path, **changes)


def test_a_file_renamed_between_two_looks_keeps_its_id(store: Database) -> None:
    moved(store, file("ferry.txt"), now=NOW)
    first = stored(store)
    again = moved(store, file("news/ferry-returns.txt"))
    assert (len(again.new), len(again.touched)) == (0, 1)
    after = stored(store)
    assert (after.id, after.entry_id, after.native_id) == (first.id, first.entry_id, "news/ferry-returns.txt")
    assert (after.state, after.missed_at) == (ArticleState.LIVE, None)


def test_a_file_away_for_a_look_or_for_good_and_back_elsewhere_keeps_its_id(store: Database) -> None:
    other = file("lamp.txt", title="Lamp relit")
    for looks in (1, 2, 3):
        moved(store, file("ferry.txt"), other, now=NOW)
        first = next(one for one in store.articles.each() if one.revision.title == "Ferry returns")
        for number in range(looks):
            moved(store, other, now=NOW + timedelta(minutes=number + 1))
        away = store.articles.get([first.id])[first.id]
        assert away.state is (ArticleState.LIVE if looks == 1 else ArticleState.RETRACTED)
        again = moved(store, file(f"away-{looks}.txt"), other, now=LATER)
        back = store.articles.get([first.id])[first.id]
        assert (back.state, back.retracted_at, back.native_id) == (ArticleState.LIVE, None, f"away-{looks}.txt")
        assert len(again.returned) == (looks > 1), "until then nobody had noticed"
        moved(store, file("ferry.txt"), other, now=LATER)
    assert len(list(store.articles.each())) == 2


def test_moving_into_another_folder_changes_the_category_and_not_the_id(store: Database) -> None:
    moved(store, file("ferry.txt", categories=("News",)), now=NOW)
    first = stored(store)
    again = moved(store, file("travel/ferry.txt", categories=("Travel",)))
    assert [(one.id, one.entry_id) for one in again.changed] == [(first.id, first.entry_id)]
    assert stored(store).revision.categories == ("Travel",)


def test_a_copy_is_an_article_of_its_own(store: Database) -> None:
    moved(store, file("ferry.txt"), now=NOW)
    assert len(moved(store, file("ferry.txt"), file("copy.txt")).new) == 1


def test_a_moved_file_that_says_something_else_is_another_article(store: Database) -> None:
    moved(store, file("ferry.txt"), now=NOW)
    assert len(moved(store, file("lamp.txt", title="Lamp relit")).new) == 1
    assert len(moved(store, sent("named-in-front-matter"), now=LATER).new) == 1, (
        "it has an id: it is not known by place"
    )


def test_two_files_with_one_text_that_both_move_stay_two(store: Database) -> None:
    moved(store, file("a.txt"), file("b.txt"), now=NOW)
    moved(store, file("x/a.txt"), file("x/b.txt"))
    assert sorted(one.native_id for one in store.articles.each()) == ["x/a.txt", "x/b.txt"]


# ---------------------------------------------------------------- how it came in


def test_the_first_complete_look_brings_an_archive(store: Database) -> None:
    new = source()
    accepted = look(store, sent(published_at=NOW - 400 * DAY), sent("b", "New"), of=new, newest=NOW)
    assert {one.arrival for one in accepted.new} == {Arrival.ARCHIVE}
    assert {one.mail for one in accepted.new} == {MailPermission.ALLOWED}, "each newsletter's own window decides"


@pytest.mark.parametrize(
    ("age", "arrival", "mail"),
    [
        (2 * DAY, Arrival.NEWS, MailPermission.ALLOWED),
        (2 * DAY + timedelta(seconds=1), Arrival.BACKDATED, MailPermission.EXCLUDED),
        (timedelta(0), Arrival.NEWS, MailPermission.ALLOWED),
    ],
)
def test_an_article_much_older_than_the_newest_is_backdated(
    store: Database, age: timedelta, arrival: Arrival, mail: MailPermission
) -> None:
    look(store, sent(published_at=NOW - DAY - age), newest=NOW - DAY)
    one = stored(store)
    assert (one.arrival, one.mail, one.state) == (arrival, mail, ArticleState.LIVE)


def test_after_days_without_a_look_nothing_is_backdated_that_came_in_meanwhile(store: Database) -> None:
    week = [sent(str(day), f"Day {day}", published_at=NOW - day * DAY) for day in range(7)]
    accepted = look(store, *week, newest=NOW - 8 * DAY)
    assert {one.arrival for one in accepted.new} == {Arrival.NEWS}


def test_the_newest_live_article_is_what_is_measured_by(store: Database) -> None:
    assert store.articles.newest("newsroom") is None
    look(store, sent(published_at=NOW - DAY), sent("b", published_at=NOW - 2 * DAY), sent("c", published_at=LATER))
    assert store.articles.newest("newsroom") == NOW - DAY


# ---------------------------------------------------------------- corrections


def test_a_source_may_say_that_its_text_is_a_correction(store: Database) -> None:
    look(store, sent())
    look(store, sent(title="Ferry late", correction="She sailed at eleven."), now=LATER)
    says = stored(store).revision
    assert (says.number, says.kind, says.note) == (2, RevisionKind.CORRECTION, "She sailed at eleven.")
    look(store, sent(title="Ferry late, again", correction="She sailed at eleven."), now=LATER)
    says = stored(store).revision
    assert (says.number, says.kind, says.note) == (3, RevisionKind.EDIT, "She sailed at eleven.")
    assert look(store, sent(title="Ferry late, again", correction="She sailed at eleven.")) == Accepted(unchanged=1)


def test_a_note_alone_is_a_correction_too(store: Database) -> None:
    look(store, sent())
    assert len(look(store, sent(correction="She sailed at eleven."), now=LATER).changed) == 1
    assert stored(store).revision.kind is RevisionKind.CORRECTION


def test_an_editors_correction_is_a_revision_and_survives_the_next_look(store: Database) -> None:
    look(store, sent(raw_hash="r"))
    marked = collect.corrected(stored(store), " She sailed\nat eleven. ", now=LATER)
    store.articles.revise(marked)
    says = stored(store).revision
    assert (says.number, says.kind, says.note, says.updated_at) == (
        2,
        RevisionKind.CORRECTION,
        "She sailed at eleven.",
        LATER,
    )
    assert says.content_hash == store.articles.revisions([(marked.id, 1)])[marked.id, 1].content_hash
    assert look(store, sent(raw_hash="r"), now=LATER) == Accepted(unchanged=1)
    look(store, sent(title="Ferry late"), now=LATER + DAY)
    assert (stored(store).revision.kind, stored(store).revision.note) == (RevisionKind.EDIT, "She sailed at eleven.")


def test_a_correction_needs_words_and_a_live_article() -> None:
    with pytest.raises(Conflict, match="needs words"):
        collect.corrected(article(), " \n", now=NOW)
    with pytest.raises(Conflict, match="is retracted"):
        collect.corrected(article(state=ArticleState.RETRACTED), "Wrong.", now=NOW)


# ---------------------------------------------------------------- an editor's word


def test_what_an_editor_retracted_no_source_brings_back(store: Database) -> None:
    look(store, sent(raw_hash="r"))
    store.articles.decide(collect.retracted(stored(store), "It was invented.", EDITOR, now=LATER))
    look(store, sent(raw_hash="r2", title="Ferry returns, really"), now=LATER)
    moved(store, sent(raw_hash="r2", title="Ferry returns, really"), now=LATER + DAY)
    one = stored(store)
    assert (one.state, one.retracted_by, one.retraction_note) == (ArticleState.RETRACTED, EDITOR, "It was invented.")
    assert one.retracted_at == LATER
    assert one.revision.number == 2, "what the source says is kept all the same"
    with pytest.raises(Conflict, match=f"by {EDITOR} already"):
        collect.retracted(one, "", EDITOR, now=LATER)
    back = collect.restored(one, now=LATER)
    store.articles.decide(back)
    assert (stored(store).state, stored(store).retracted_at, stored(store).retraction_note) == (
        ArticleState.LIVE,
        None,
        "",
    )


def test_an_editors_word_in_the_middle_of_a_look_is_not_overwritten(store: Database) -> None:
    look(store, sent())
    page = Fetched(articles=(sent(title="Ferry late"),), cursor={})
    accepted = accept(READ, page, store.articles, site=site(), now=LATER)
    for word in (
        collect.retracted(stored(store), "", EDITOR, now=LATER),
        replace(collect.mailed(stored(store), False, now=LATER)),
    ):
        store.articles.decide(word)
        with pytest.raises(Conflict):
            record(accepted, store.articles)
    assert stored(store).mail is MailPermission.EXCLUDED


# ---------------------------------------------------------------- outages


@pytest.mark.parametrize(
    ("known", "gone", "believed"),
    [
        (100, 20, True),
        (100, 21, False),
        (4, 3, True),
        (4, 4, False),
        (1, 1, False),
        (1, 0, True),
        (0, 0, True),
        (100_000, 100_000, False),
    ],
)
def test_what_vanished_at_once_is_an_outage(known: int, gone: int, believed: bool) -> None:
    said = collect.outage(source(), Missing(stored=known, gone=tuple(range(gone))))
    assert (said == "") is believed
    assert believed or "publisher collect newsroom --believe-removals" in said


def test_the_share_is_the_sources_own() -> None:
    half = Missing(stored=100, gone=tuple(range(50)))
    assert collect.outage(source(outage=0.5), half) == ""
    assert "50 of its 100 articles vanished at once" in collect.outage(source(outage=0.49), half)
