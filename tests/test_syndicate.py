from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher import syndicate
from publisher.errors import FolderError, GateError
from publisher.folders.local import LocalFolder
from publisher.formats.atom import Atom
from publisher.formats.json_feed import JsonFeed
from publisher.formats.rss import Rss
from publisher.model import (
    Article,
    ArticleState,
    Author,
    Feed,
    FeedDocument,
    FeedPattern,
    RevisionKind,
    Selection,
)
from publisher.ports import Format
from publisher.store import Database
from tests.contracts import format_cases
from tests.people import EDITOR, NOW, article, feed, revision, site, source

FORMATS: dict[str, Format] = {"rss": Rss(), "atom": Atom(), "json": JsonFeed()}
FILES = ("all.rss", "all.atom", "all.json")


def pattern(slug: str = "section", each: str = "category", **changes: Any) -> FeedPattern:
    made = FeedPattern(
        slug=slug,
        each=each,
        title="The Harbour Gazette: {name}",
        description="All about {name}",
        home_url="https://harbour-gazette.example",
        language="en",
    )
    return replace(made, **changes)


def document(*articles: Article, pages: int | None = None, **changes: Any) -> FeedDocument:
    return syndicate.document(feed(**changes), articles, site=site(), pages=pages)


BRIDGE = article("The swing bridge reopens", id=1)
TIDES = article("Tide tables", id=2)
SCRIPT = article("Look at this", id=3, content_html="<script>alert(1)</script>")


class TestPlace:
    def place(self, one: Article, *feeds: Feed, **more: Any) -> syndicate.Placement:
        patterns = more.pop("patterns", ())
        return syndicate.place(one, feeds, patterns, now=NOW, **more)

    def test_an_article_enters_the_feeds_that_want_it_and_every_decision_has_its_rule(self) -> None:
        sport = feed("sport", selection=Selection(categories=("Sport",)))
        harbour = feed("harbour", selection=Selection(categories=("HARBOUR",), languages=("en",)))
        placement = self.place(BRIDGE, feed(), sport, harbour)
        assert [entry.feed for entry in placement.entries] == ["all", "harbour"]
        assert placement.withdrawn == ("sport",)
        assert [(d.output, d.included, d.rule) for d in placement.decisions] == [
            ("feed:all", True, "everything is wanted"),
            ("feed:sport", False, "category is not Sport"),
            ("feed:harbour", True, "category is HARBOUR and language is en"),
        ]
        assert {(d.article, d.revision, d.at) for d in placement.decisions} == {(1, 1, NOW)}

    @pytest.mark.parametrize(
        ("state", "rule"),
        [(ArticleState.HELD, "held until its publication time"), (ArticleState.RETRACTED, "retracted")],
    )
    def test_what_was_never_live_is_in_no_feed(self, state: ArticleState, rule: str) -> None:
        placement = self.place(replace(BRIDGE, state=state), feed(), patterns=[pattern()], memberships=["all"])
        assert (placement.feeds, placement.entries, placement.withdrawn) == ((), (), ("all",))
        assert [d.rule for d in placement.decisions] == [rule]

    def test_a_retracted_article_keeps_its_place_for_its_feeds_to_tell_so(self) -> None:
        gone = replace(BRIDGE, state=ArticleState.RETRACTED, retracted_at=NOW)
        sport = feed("sport", selection=Selection(categories=("Sport",)))
        placement = self.place(gone, feed(remember=timedelta(days=7)), sport, patterns=[pattern()], memberships=["all"])
        (entry,) = placement.entries
        assert (entry.feed, entry.until, entry.sort_key) == ("all", NOW + timedelta(days=7), syndicate.sort_key(BRIDGE))
        assert (placement.feeds, placement.withdrawn) == ((), ())
        assert [(d.included, d.rule) for d in placement.decisions] == [(False, "retracted")] * 2

    def test_what_was_retracted_before_its_time_came_is_told_to_nobody(self) -> None:
        held = article(published_at=NOW + timedelta(days=1), state=ArticleState.RETRACTED, retracted_at=NOW)
        assert self.place(held, feed()).entries == ()

    def test_a_correction_is_told_of_for_its_time(self) -> None:
        corrected = article(kind=RevisionKind.CORRECTION, note="By 5 cents.", updated_at=NOW)
        (entry,) = self.place(corrected, feed(remember=timedelta(days=7))).entries
        assert entry.until == NOW + timedelta(days=7)
        assert self.place(BRIDGE, feed()).entries[0].until is None

    def test_newest_first_and_ties_settled_the_same_way_everywhere(self) -> None:
        dublin = timezone(timedelta(hours=1))
        early = article("b", published_at=datetime(2026, 6, 1, 12, 30, tzinfo=dublin))  # 11:30 in UTC
        late = article("a", published_at=datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
        fraction = article("c", published_at=datetime(2026, 6, 1, 12, 0, 0, 1, tzinfo=UTC))
        old = article("d", published_at=datetime(987, 6, 1, tzinfo=UTC))
        keys = [syndicate.sort_key(one) for one in (old, early, late, fraction)]
        assert keys == sorted(keys)
        same = replace(late, entry_id="tag:other")
        assert syndicate.sort_key(same) != syndicate.sort_key(late)

    def test_a_pattern_makes_a_feed_for_each_category(self) -> None:
        one = article(categories=("Harbour", "Arts & Culture"))
        arts, harbour = self.place(one, patterns=[pattern(limit=7, selection=Selection(languages=("en",)))]).feeds
        assert (arts.slug, harbour.slug) == ("section-arts-culture", "section-harbour")
        assert (harbour.title, harbour.description) == ("The Harbour Gazette: Harbour", "All about Harbour")
        assert harbour.selection == Selection(categories=("Harbour",), languages=("en",))
        assert (harbour.pattern, harbour.limit) == ("section", 7)

    def test_a_pattern_makes_a_feed_for_each_author(self) -> None:
        one = article(authors=(Author(name=EDITOR), Author(name="Seán Ó Briain"), Author(name=" ")))
        placement = self.place(one, patterns=[pattern("author", "author")])
        assert [one.slug for one in placement.feeds] == ["author-aoife-brennan", "author-sean-o-briain"]
        assert [entry.feed for entry in placement.entries] == ["author-aoife-brennan", "author-sean-o-briain"]

    @pytest.mark.parametrize(
        ("each", "slugs", "selection"),
        [
            ("tag", ["x-ferries", "x-music"], Selection(tags=("ferries",))),
            ("language", ["x-ga"], Selection(languages=("ga",))),
            ("source", ["x-newsroom"], Selection(sources=("newsroom",))),
            (
                "category+language",
                ["x-arts-ga", "x-harbour-ga"],
                Selection(categories=("Arts",), languages=("ga",)),
            ),
        ],
    )
    def test_a_pattern_makes_a_feed_for_each_of_anything(
        self, each: str, slugs: list[str], selection: Selection
    ) -> None:
        one = article(categories=("Harbour", "Arts"), tags=("music", "ferries"), language="ga")
        made = self.place(one, patterns=[pattern("x", each)]).feeds
        assert [one.slug for one in made] == slugs
        assert made[0].selection == selection

    def test_names_go_where_the_title_wants_them(self) -> None:
        wanted = pattern("x", "category+language", title="{category} ({language}): {name} {other}", description="{tag}")
        (made,) = self.place(article(categories=("{name}",), language="ga"), patterns=[wanted]).feeds
        assert (made.title, made.description) == ("{name} (ga): {name} · ga {other}", "{tag}")
        assert made.language == "ga"

    def test_a_pattern_of_combinations_makes_no_thousands_of_feeds_of_one_article(self) -> None:
        one = article(categories=tuple(f"c{n}" for n in range(50)), tags=tuple(f"t{n}" for n in range(50)))
        made = self.place(one, patterns=[pattern("x", "category+tag")]).feeds
        assert len(made) == 100
        assert {one.selection.categories[0] for one in made} == {"c0", "c1"}

    def test_a_feed_that_exists_is_not_made_again(self) -> None:
        first = self.place(article(categories=("Harbour",)), patterns=[pattern()])
        again = self.place(article(categories=("HARBOUR", "harbour")), *first.feeds, patterns=[pattern()])
        assert again.feeds == ()
        assert [entry.feed for entry in again.entries] == ["section-harbour"]

    def test_a_pattern_makes_no_feed_for_what_it_does_not_select(self) -> None:
        wales = pattern(selection=Selection(languages=("cy",)))
        some = pattern("some", selection=Selection(categories=("harbour",)))
        placement = self.place(article(categories=("Harbour", "Music")), patterns=[wales, some])
        assert [one.slug for one in placement.feeds] == ["some-harbour"]

    def test_names_that_would_share_an_address_get_one_each(self) -> None:
        patterns = [pattern()]
        both = self.place(article(categories=("Council News", "Council-News")), patterns=patterns)
        assert [one.slug for one in both.feeds] == ["section-council-news", "section-council-news-78128a7a"]
        assert len(both.entries) == 2
        again = self.place(article(categories=("council-news",)), *both.feeds, patterns=patterns)
        assert [entry.feed for entry in again.entries] == ["section-council-news-78128a7a"]
        settings = feed("section-harbour", title="Our own")
        taken = self.place(article(categories=("Harbour",)), settings, patterns=patterns)
        assert re.fullmatch("section-harbour-[0-9a-f]{8}", taken.feeds[0].slug)

    def test_hundreds_of_feeds_by_pattern_leave_no_hundreds_of_decisions(self) -> None:
        many = self.place(article(categories=tuple(f"Ward {n}" for n in range(300))), patterns=[pattern()]).feeds
        placement = self.place(article(categories=("Ward 7",)), feed(), *many, memberships=["all", "section-ward-8"])
        assert [entry.feed for entry in placement.entries] == ["all", "section-ward-7"]
        assert placement.withdrawn == ("section-ward-8",)
        assert {d.output for d in placement.decisions} == {"feed:all", "feed:section-ward-7", "feed:section-ward-8"}


class TestSlugify:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Sport", "sport"),
            ("Arts & Culture", "arts-culture"),
            ("Sláinte, Bücher, Straße", "slainte-bucher-strasse"),
            ("Smørrebrød / Łódź", "smorrebrod-lodz"),
            ("O'Brien’s", "o-brien-s"),
        ],
    )
    def test_ordinary_names_read_well(self, name: str, slug: str) -> None:
        assert syndicate.slugify(name) == slug

    def test_names_that_lose_letters_stay_apart(self) -> None:
        slugs = [syndicate.slugify(name) for name in ("C", "C++", "C#", "Новости", "新闻", "🎣", "-", "", "\ud800")]
        assert len(set(slugs)) == len(slugs)
        assert slugs[0] == "c"

    @given(st.text(st.characters(exclude_categories=())))
    def test_any_name_makes_a_safe_one(self, name: str) -> None:
        slug = syndicate.slugify(name)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
        assert len(slug) <= 70
        assert slug == syndicate.slugify(name)


class TestDocument:
    def test_addresses_and_ids_come_from_the_site(self) -> None:
        made = syndicate.document(feed("harbour"), [BRIDGE], site=site(hub="https://hub.example/"))
        assert made.base_url == "https://news.harbour-gazette.example/feeds"
        assert made.feed_id == "tag:harbour-gazette.example,2026:feed/harbour"
        assert made.hub == "https://hub.example/"
        plain = syndicate.document(feed(), [], site=site(public_url="", url="https://harbour-gazette.example/"))
        assert plain.base_url == "https://harbour-gazette.example/feeds"

    def test_its_time_is_that_of_the_newest_change_in_it(self) -> None:
        edited = article("Edited", updated_at=NOW)
        assert document(BRIDGE, edited).updated_at == NOW
        gone = replace(TIDES, state=ArticleState.RETRACTED, retracted_at=NOW + timedelta(hours=1))
        assert document(BRIDGE, gone, edited).updated_at == NOW + timedelta(hours=1)

    @pytest.mark.parametrize(
        ("authority", "birth"),
        [
            ("a.example,2026", (2026, 1, 1)),
            ("a.example,2026-11", (2026, 11, 1)),
            ("a.example,2026-11-22", (2026, 11, 22)),
        ],
    )
    def test_an_empty_feed_is_as_old_as_the_site(self, authority: str, birth: tuple[int, int, int]) -> None:
        made = syndicate.document(feed(), [], site=site(tag_authority=authority))
        assert made.updated_at == datetime(*birth, tzinfo=UTC)


class TestPublish:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> LocalFolder:
        return LocalFolder(tmp_path / "feeds")

    def publish(self, made: FeedDocument, folder: LocalFolder, **more: bool) -> syndicate.Published:
        return syndicate.publish(made, FORMATS, folder, known=lambda _: (), **more)

    def ids(self, folder: LocalFolder, slug: str = "all") -> list[str]:
        """The entries of the published feed, which all formats agree on."""
        files = [[entry.id for entry in f.read(folder.get(f"{slug}.{f.ending}") or b"")] for f in FORMATS.values()]
        assert files[0] == files[1] == files[2]
        return files[0]

    def test_every_format_is_written_once_and_left_alone_when_nothing_changed(self, folder: LocalFolder) -> None:
        assert self.publish(document(BRIDGE, TIDES), folder) == syndicate.Published(written=FILES, unchanged=())
        assert self.publish(document(BRIDGE, TIDES), folder) == syndicate.Published(written=(), unchanged=FILES)
        assert self.ids(folder) == [BRIDGE.entry_id, TIDES.entry_id]

    def test_only_the_formats_of_the_feed_are_written(self, folder: LocalFolder) -> None:
        assert self.publish(document(BRIDGE, formats=("json",)), folder).written == ("all.json",)
        with pytest.raises(GateError, match="no format 'gopher'; known are atom, json, rss"):
            self.publish(document(BRIDGE, formats=("gopher",)), folder)

    def test_one_bad_article_is_left_out_and_named(self, folder: LocalFolder) -> None:
        published = self.publish(document(BRIDGE, SCRIPT, TIDES), folder)
        assert self.ids(folder) == [BRIDGE.entry_id, TIDES.entry_id]
        (left_out,) = published.left_out
        assert left_out.article == SCRIPT
        assert left_out.item == "'Look at this' (tag:harbour-gazette.example,2026:newsroom/look-at-this)"
        assert left_out.reason == "rss: content holds <script>"

    def test_so_is_one_that_a_format_cannot_even_write(self, folder: LocalFolder) -> None:
        end = datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))  # has no time in UTC
        published = self.publish(document(BRIDGE, article("Doomsday", published_at=end)), folder)
        assert self.ids(folder) == [BRIDGE.entry_id]
        assert "OverflowError" in published.left_out[0].reason

    def test_so_is_the_second_of_two_with_one_id(self, folder: LocalFolder) -> None:
        published = self.publish(document(BRIDGE, replace(TIDES, entry_id=BRIDGE.entry_id)), folder)
        assert self.ids(folder) == [BRIDGE.entry_id]
        assert "used by another article" in published.left_out[0].reason

    def test_an_id_that_does_not_survive_is_found_out(self, folder: LocalFolder) -> None:
        published = self.publish(document(BRIDGE, replace(TIDES, entry_id="tag:a,2026:\x07bell")), folder)
        assert self.ids(folder) == [BRIDGE.entry_id]
        assert published.left_out[0].reason.startswith("rss: ValueError")

    def test_when_no_article_can_be_published_the_last_good_files_stay(self, folder: LocalFolder) -> None:
        self.publish(document(BRIDGE), folder)
        for permitted in (False, True):
            with pytest.raises(GateError, match="feed all: none of its articles passes; first: 'Look at this'"):
                self.publish(document(SCRIPT), folder, may_be_empty=permitted)
        assert self.ids(folder) == [BRIDGE.entry_id]

    def test_a_fault_of_the_feed_itself_blames_no_article(self, folder: LocalFolder) -> None:
        self.publish(document(BRIDGE), folder)
        with pytest.raises(GateError, match=r"feed all, rss: link 'harbour-gazette' is not an absolute") as caught:
            self.publish(document(TIDES, home_url="harbour-gazette"), folder)
        assert (caught.value.ids["feed"], caught.value.ids["format"]) == ("all", "rss")
        assert self.ids(folder) == [BRIDGE.entry_id]

    def test_an_entry_that_vanishes_from_among_others_is_missed(self, folder: LocalFolder) -> None:
        three = [article(str(n), id=n) for n in (3, 2, 1)]
        self.publish(document(*three), folder)
        with pytest.raises(
            GateError, match=r"1 of its entries vanished, and the store knows nothing of them"
        ) as caught:
            self.publish(document(three[0], three[2]), folder)
        assert three[1].entry_id in str(caught.value)
        assert "remove all.rss from the folder if that is right" in str(caught.value)
        assert self.ids(folder) == [one.entry_id for one in three]
        known = syndicate.publish(
            document(three[0], three[2]), FORMATS, folder, known=lambda ids: {three[1].entry_id} & set(ids)
        )
        assert known.written == FILES

    def test_what_makes_room_for_newer_articles_is_not_missed(self, folder: LocalFolder) -> None:
        four = [article(str(n), id=n) for n in (4, 3, 2, 1)]
        self.publish(document(*four[1:]), folder)
        assert self.publish(document(*four[:3]), folder).written == FILES

    def test_a_retracted_article_is_told_of_in_every_format(self, folder: LocalFolder) -> None:
        self.publish(document(BRIDGE, TIDES), folder)
        gone = replace(TIDES, state=ArticleState.RETRACTED, retracted_at=NOW, retraction_note="Low water was high.")
        self.publish(document(BRIDGE, gone), folder)
        assert self.ids(folder) == [BRIDGE.entry_id, TIDES.entry_id]
        assert all(b"Low water was high." in (folder.get(name) or b"") for name in FILES)

    def test_what_reaches_readers_is_what_reading_every_entry_back_would_find(self, folder: LocalFolder) -> None:
        """The gate reads entries back once, when they are made; here the whole file is read, as it would be."""
        articles = [replace(one, id=7 + n) for n, one in enumerate(format_cases.ARCHIVE.articles)]
        self.publish(document(*articles, BRIDGE, pages=4), folder)
        assert self.ids(folder) == [one.entry_id for one in (*articles, BRIDGE)]

    def test_a_feed_never_shrinks_to_nothing_unasked(self, folder: LocalFolder) -> None:
        self.publish(document(BRIDGE, TIDES), folder)
        with pytest.raises(GateError, match=r"feed all, rss: it shrank to nothing, from 2 in all\.rss"):
            self.publish(document(), folder)
        assert self.ids(folder) == [BRIDGE.entry_id, TIDES.entry_id]
        assert self.publish(document(), folder, may_be_empty=True).written == FILES
        assert self.ids(folder) == []

    def test_a_new_feed_may_be_empty_and_a_broken_file_is_replaced(self, folder: LocalFolder) -> None:
        self.publish(document(), folder)
        folder.put("all.rss", b"<rss", "application/rss+xml")
        assert self.publish(document(), folder).written == ("all.rss",)
        assert self.ids(folder) == []

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "feeds").write_text("not a folder")
        with pytest.raises(FolderError, match="a part of that path is a file"):
            self.publish(document(BRIDGE), LocalFolder(tmp_path / "feeds"))


class TestFragments:
    """An entry is built once per revision."""

    @pytest.fixture
    def store(self, memory_store: Database) -> Database:
        memory_store.sources.sync([source()], renamed={})
        memory_store.feeds.sync([feed()], [])
        return memory_store

    @pytest.fixture
    def folder(self, tmp_path: Path) -> LocalFolder:
        return LocalFolder(tmp_path / "feeds")

    def publish(self, articles: Sequence[Article], store: Database, folder: LocalFolder, **changes: Any) -> Counted:
        counted = {name: Counted(format) for name, format in FORMATS.items()}
        syndicate.publish(
            document(*articles, **changes), counted, folder, known=lambda _: (), fragments=store.fragments
        )
        assert len({len(one.made) for one in counted.values()}) == 1
        return counted["rss"]

    def test_a_new_article_is_the_only_one_that_is_built(self, store: Database, folder: LocalFolder) -> None:
        first, second = store.articles.add(article("First")), store.articles.add(article("Second"))
        assert self.publish([first], store, folder).made == ["First"]
        assert self.publish([second, first], store, folder).made == ["Second"]
        assert self.publish([second, first], store, folder).made == []
        assert (folder.get("all.atom") or b"") == FORMATS["atom"].write(document(second, first))

    @pytest.mark.parametrize(
        "change",
        [
            {"canonical_url": "https://harbour-gazette.example/moved"},
            {"guid": "another"},
            {"state": ArticleState.RETRACTED, "retracted_at": NOW},
            {"revision": revision("Revised", number=2)},
        ],
    )
    def test_whatever_changes_an_entry_has_it_built_anew(
        self, change: dict[str, Any], store: Database, folder: LocalFolder
    ) -> None:
        first = store.articles.add(article("First"))
        self.publish([first], store, folder)
        changed = replace(first, **change)
        assert self.publish([changed], store, folder).made == [changed.revision.title]

    def test_feeds_that_show_an_article_alike_share_it(self, store: Database, folder: LocalFolder) -> None:
        first = store.articles.add(article("First"))
        self.publish([first], store, folder)
        assert self.publish([first], store, folder, slug="other", title="Other", limit=7).made == []
        for changes in ({"content": "summary"}, {"ids": "source"}, {"language": "ga"}):
            assert self.publish([first], store, folder, slug="other", **changes).made == ["First"]

    def test_what_cannot_be_published_is_not_kept(self, store: Database, folder: LocalFolder) -> None:
        first, bad = store.articles.add(article("First")), store.articles.add(replace(SCRIPT, id=0))
        self.publish([first, bad], store, folder)
        shape = f"{FORMATS['rss'].version} full tag en"
        assert set(store.fragments.get({"rss": shape}, [first.id, bad.id])) == {("rss", first.id)}


class Counted:
    """A format that remembers the titles of the entries it was asked to build."""

    def __init__(self, format: Format) -> None:
        self.made: list[str] = []
        self._format = format

    def __getattr__(self, name: str) -> Any:
        return getattr(self._format, name)

    def fragment(self, article: Article, feed: Feed) -> tuple[str, bytes]:
        self.made.append(article.revision.title)
        return self._format.fragment(article, feed)
