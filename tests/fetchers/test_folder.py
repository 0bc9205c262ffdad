from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.errors import SourceInvalid
from publisher.fetchers.folder import MAXIMUM_BYTES, ArticleFolder
from publisher.model import Author, Fetched, FetchedArticle, Source
from publisher.ports import Known
from tests.contracts.fetcher_cases import FetcherCases

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data" / "folder"


class FolderRoom:
    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.place = place
        self.fetcher = ArticleFolder()
        self.source = Source(slug="newsroom", kind="folder", url=str(place), interval=timedelta(minutes=1))

    def publish(self, name: str, title: str, text: str = "Nothing more is known.") -> None:
        (self.place / f"{name}.txt").write_text(f"{title}\n\n{text}\n", encoding="utf-8")

    def edit(self, name: str, text: str) -> None:
        path = self.place / f"{name}.txt"
        path.write_text(f"{path.read_text(encoding='utf-8').splitlines()[0]}\n\n{text}\n", encoding="utf-8")

    def spoil(self, name: str) -> None:
        (self.place / f"{name}.txt").write_bytes(bytes(range(256)) * 20)

    def close(self) -> None:
        self.place.rename(self.place.with_name("elsewhere"))

    def open(self) -> None:
        self.place.with_name("elsewhere").rename(self.place)


class TestArticleFolder(FetcherCases):
    @pytest.fixture
    def room(self, tmp_path: Path) -> FolderRoom:
        return FolderRoom(tmp_path / "articles")


@pytest.fixture
def room(tmp_path: Path) -> FolderRoom:
    return FolderRoom(tmp_path / "articles")


def look(room: FolderRoom, **options: Any) -> Fetched:
    (page,) = room.fetcher.fetch(replace(room.source, options={"timezone": "Europe/Dublin", **options}), now=NOW)
    return page


def read(room: FolderRoom, text: str | bytes, name: str = "story.txt", **options: Any) -> FetchedArticle:
    (room.place / name).write_bytes(text.encode() if isinstance(text, str) else text)
    page = look(room, **options)
    assert not page.refused
    (article,) = page.articles
    return article


def refused(room: FolderRoom, data: str | bytes, name: str) -> str:
    (room.place / name).write_bytes(data.encode() if isinstance(data, str) else data)
    page = look(room)
    assert not page.articles
    (refusal,) = page.refused
    assert refusal.item == name
    return refusal.reason


# ---------------------------------------------------------------- files as they are


@pytest.mark.parametrize("name", sorted(json.loads((DATA / "expected.json").read_text(encoding="utf-8"))))
def test_files_are_read_as_a_person_reads_them(room: FolderRoom, name: str) -> None:
    shutil.copy(DATA / name, room.place)
    (article,) = look(room).articles
    told = {
        key: value for key, value in asdict(article).items() if value and key not in ("raw_hash", "native_id", "place")
    }
    for author in told.get("authors", ()):
        for key in [key for key, value in author.items() if not value]:
            del author[key]
    expected = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))[name]
    assert json.loads(json.dumps(told, default=str)) == expected


@pytest.mark.parametrize(
    ("ending", "name", "biography"),
    [
        ("Author: Niamh Casey\nNiamh Casey covers the port.", "Niamh Casey", "Niamh Casey covers the port."),
        (
            "Author: Niamh Casey\n\nShe covers the port.\n\nAnd the ferry.",
            "Niamh Casey",
            "She covers the port. And the ferry.",
        ),
        ("AUTHOR : Niamh Casey", "Niamh Casey", ""),
        ("Author:\nNiamh Casey\nCovers the port.", "Niamh Casey", "Covers the port."),
        ("**Author:** Niamh Casey", "Niamh Casey", ""),
        ("By Niamh Casey", "Niamh Casey", ""),
        ("by: Niamh Casey", "Niamh Casey", ""),
        ("Written by: Niamh Casey", "Niamh Casey", ""),
        ("Author: Niamh Casey, port reporter", "Niamh Casey", "port reporter"),
        ("Author: Niamh Casey — covers the port", "Niamh Casey", "covers the port"),
    ],
)
def test_the_author_is_found_however_it_is_written(room: FolderRoom, ending: str, name: str, biography: str) -> None:
    article = read(room, f"Head\n\nStandfirst.\n\nFirst.\n\nSecond.\n\n{ending}\n")
    assert article.authors == (Author(name=name, biography=biography),)
    assert article.content_html == "<p>First.</p>\n<p>Second.</p>"


def test_several_authors_are_told_apart(room: FolderRoom) -> None:
    article = read(room, "Head\n\nText.\n\nAuthors: Tom Byrne, Niamh Casey and Seán Ó Dálaigh <sean@g.example>")
    assert [author.name for author in article.authors] == ["Tom Byrne", "Niamh Casey", "Seán Ó Dálaigh"]
    assert article.authors[2].email == "sean@g.example"
    one_by_one = read(room, "Head\n\nText.\n\nAuthor: Tom Byrne\nTom rows.\nAuthor: Niamh Casey\nNiamh swims.")
    assert [author.biography for author in one_by_one.authors] == ["Tom rows.", "Niamh swims."]


def test_a_byline_under_the_headline_leaves_the_text_whole(room: FolderRoom) -> None:
    for place in (
        "By Niamh Casey\n\nStandfirst.",
        "Standfirst.\n\nBy Niamh Casey",
        "Author: Niamh Casey\n\nStandfirst.",
    ):
        article = read(room, f"Head\n\n{place}\n\nFirst.\n\nSecond.\n\nThird.\n\nFourth.")
        assert (article.authors, article.standfirst) == ((Author(name="Niamh Casey"),), "Standfirst.")
        assert article.content_html.count("<p>") == 4


def test_a_byline_at_both_ends_is_one_author(room: FolderRoom) -> None:
    article = read(room, "Head\n\nBy Tom Byrne\n\nStandfirst.\n\nText.\n\nMore.\n\nAuthor: Tom Byrne\nTom rows.")
    assert article.authors == (Author(name="Tom Byrne", biography="Tom rows."),)
    assert (article.standfirst, article.content_html) == ("Standfirst.", "<p>Text.</p>\n<p>More.</p>")


def test_a_short_text_has_its_author_and_the_line_about_them(room: FolderRoom) -> None:
    for gap in ("\n", "\n\n"):
        article = read(room, f"Head\n\nText.\n\nAuthor: Niamh Casey{gap}She covers the port.")
        assert article.authors == (Author(name="Niamh Casey", biography="She covers the port."),)
        assert (article.standfirst, article.content_html) == ("", "<p>Text.</p>")


@pytest.mark.parametrize(
    "sentence",
    [
        "By Monday the water had gone.",
        "By all accounts, it was loud.",
        "Author: a word that the quarrel was about, " + "and about, " * 30,
    ],
)
def test_a_sentence_is_no_byline(room: FolderRoom, sentence: str) -> None:
    article = read(room, f"Head\n\nStandfirst.\n\nFirst.\n\n{sentence}")
    assert article.authors == ()
    assert sentence.split(",", maxsplit=1)[0] in article.content_html


def test_without_a_standfirst_everything_is_text(room: FolderRoom) -> None:
    assert read(room, "Head\n\nOnly paragraph.").standfirst == ""
    long = read(room, "Head\n\n" + "A long first paragraph. " * 30 + "\n\nSecond.")
    assert long.standfirst == ""
    assert long.content_html.startswith("<p>A long first paragraph.")


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("Ferry returns.", "Ferry returns"),
        ("Ferry returns …", "Ferry returns …"),
        ("Ferry returns...", "Ferry returns..."),
        ("Back in the U.S.", "Back in the U.S."),
        ("Who pays?", "Who pays?"),
        ("# Ferry returns #", "Ferry returns"),
        ("  Ferry\t returns ", "Ferry returns"),
        ("Ferry returns\n=============", "Ferry returns"),
        ("**Ferry returns**", "Ferry returns"),
    ],
)
def test_headlines_are_set_right(room: FolderRoom, first: str, title: str) -> None:
    article = read(room, f"{first}\n\nText.")
    assert (article.title, article.content_html) == (title, "<p>Text.</p>")


def test_a_text_without_headline_keeps_every_word(room: FolderRoom) -> None:
    article = read(room, "word " * 100)
    assert article.title == ""
    assert article.content_html.count("word") == 100


def test_a_headline_alone_is_an_article(room: FolderRoom) -> None:
    assert read(room, "Harbour closed").title == "Harbour closed"


def test_indented_paragraphs_and_verses(room: FolderRoom) -> None:
    indented = read(room, "Head\n\nStandfirst.\n\n\tFirst line here.\n\tSecond one here.")
    assert indented.content_html == "<p>First line here.</p>\n<p>Second one here.</p>"
    verses = read(room, "Head\n\nStandfirst.\n\nThe tide is out,\nthe boats lie down")
    assert verses.content_html == "<p>The tide is out,<br>the boats lie down</p>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_gives_the_same_article(room: FolderRoom, encoding: str, newline: str) -> None:
    text = "Café on the quay\n\n“Quiet” — she said.\n\nSecond.\n\nAuthor: Seán Casey".replace("\n", newline)
    article = read(room, text.encode(encoding))
    assert (article.title, article.standfirst) == ("Café on the quay", "“Quiet” — she said.")
    assert article.authors == (Author(name="Seán Casey"),)


# ---------------------------------------------------------------- front matter and pages


def test_dates_are_in_the_sites_time_zone_unless_they_say_otherwise(room: FolderRoom) -> None:
    for date, expected in [
        ("2026-07-01 09:00", datetime(2026, 7, 1, 8, 0, tzinfo=UTC)),
        ("2026-07-01T09:00:00", datetime(2026, 7, 1, 8, 0, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 23, 0, tzinfo=UTC)),
        ("2026-07-01T09:00:00Z", datetime(2026, 7, 1, 9, 0, tzinfo=UTC)),
        ('"2026-07-01 09:00 +05:30"', datetime(2026, 7, 1, 3, 30, tzinfo=UTC)),
        ("Wed, 01 Jul 2026 09:00:00 +0200", datetime(2026, 7, 1, 7, 0, tzinfo=UTC)),
    ]:
        assert read(room, f"---\ntitle: x\ndate: {date}\n---\ny", "story.md").published_at == expected


def test_an_undated_article_stays_undated(room: FolderRoom) -> None:
    os.utime(room.place, (0, 0))
    article = read(room, "---\ntitle: x\n---\ny", "story.md")
    assert (article.published_at, article.updated_at) == (None, None)


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("title: a: b: c", "line 2"),
        ("title: x\ntags: [a", "line"),
        ("title: x\n\tauthor: y", "line 3"),
        ("- a list", "not of the form `name: value`"),
        ("date: yesterday", "`date` in the front matter is no date: 'yesterday'"),
        ("date: 2026-13-45", "the front matter cannot be read"),
        ("title: [a, b]", "`title` in the front matter should be one value"),
        ("tags: [{a: b}]", "`tags` in the front matter should be a list of words"),
        ("date: [2026-11-22]", "`date` in the front matter should be one value"),
        ("date: 1" + ":10" * 20_000, "`date` in the front matter is no date: '1:10:10"),
        ("authors: [[Ida Marsh]]", "`author` in the front matter should be one value"),
        ("author: {name: [Ida, Marsh]}", "`author.name` in the front matter should be one value"),
        ("image: [a.jpg]", "`image` in the front matter should be one value"),
        ("image: {url: {a: b}}", "`image.url` in the front matter should be one value"),
        ("date: 2026-11-22\nupdated: &a 1\nid: *a", "line 4: the front matter is no YAML (*a is not followed"),
        ("a: &a {b: 1}\nc: {<<: {d: 1}}", "line 3: the front matter is no YAML (<< is not followed"),
        ("tags: [" + "a, " * 30_000 + "]", "the front matter has 90,009 characters, and may have 65,536"),
        ("authors: [{email: x@y.example}]", "no `name`"),
        ("title: " + "[" * 5000, "front matter"),
        ("title: !!python/object/apply:os.system ['true']", "line 2"),
    ],
)
def test_bad_front_matter_is_refused_with_its_place(room: FolderRoom, front: str, words: str) -> None:
    assert words in refused(room, f"---\n{front}\n---\ntext", "story.md")


def test_front_matter_without_end_is_refused(room: FolderRoom) -> None:
    assert "has no end" in refused(room, "---\ntitle: x\n\ntext", "story.md")


def test_a_draft_is_left_out_without_a_word(room: FolderRoom) -> None:
    (room.place / "a.md").write_text("---\ntitle: x\ndraft: true\n---\ny")
    (room.place / "b.md").write_text("---\ntitle: x\npublished: false\n---\ny")
    page = look(room)
    assert (page.articles, page.refused) == ((), ())
    assert page.listing is not None
    assert page.listing.ids == ()


def test_an_id_names_the_article_wherever_its_file_is(room: FolderRoom) -> None:
    assert read(room, "---\nid: 2026-ferry\n---\n# Ferry\n\nText.", "ferry.md").native_id == "2026-ferry"
    (room.place / "archive").mkdir()
    (room.place / "ferry.md").rename(room.place / "archive" / "boat.md")
    assert look(room).articles[0].native_id == "2026-ferry"


def test_of_two_files_with_one_id_the_second_is_refused_by_name(room: FolderRoom) -> None:
    for name in ("a.md", "b.md"):
        (room.place / name).write_text(f"---\nid: ferry\n---\n# {name}\n\nText.")
    page = look(room)
    assert [article.title for article in page.articles] == ["a.md"]
    assert (page.refused[0].item, page.refused[0].reason) == ("b.md", "same id as a.md, 'ferry': give each its own")


def test_a_page_of_html_is_read_from_its_main_part(room: FolderRoom) -> None:
    article = read(room, "<html><title>T | Site</title><body>no<main><h2>Sub</h2><p>yes</p></main></body>", "x.html")
    assert (article.title, article.content_html) == ("T | Site", "<h2>Sub</h2><p>yes</p>")


# ---------------------------------------------------------------- the folder


def test_subfolders_become_categories_where_the_settings_say_so(room: FolderRoom) -> None:
    (room.place / "sport" / "winter-swimming").mkdir(parents=True)
    text = "---\ncategories: [Outdoors]\n---\n# Seals\n\nText."
    assert read(room, text, "sport/winter-swimming/seals.md").categories == ("Outdoors",)
    article = read(room, text, "sport/winter-swimming/seals.md", categories="folders")
    assert article.categories == ("Outdoors", "Sport", "Winter swimming")
    assert article.native_id == "sport/winter-swimming/seals.md"


def test_a_changed_option_is_a_changed_article(room: FolderRoom) -> None:
    before = read(room, "Head\n\nText.")
    assert before.raw_hash == look(room).articles[0].raw_hash
    assert before.raw_hash != look(room, categories="folders").articles[0].raw_hash


def known_by(*pages: Fetched) -> Known:
    """What a store knows that holds these pages."""
    stored = {article.raw_hash: article.native_id for page in pages for article in page.articles}
    return lambda hashes: {hash: stored[hash] for hash in hashes if hash in stored}


def look_again(room: FolderRoom, *before: Fetched) -> Fetched:
    source = replace(room.source, options={"timezone": "Europe/Dublin"})
    (page,) = room.fetcher.fetch(source, now=NOW, known=known_by(*before))
    return page


def test_only_what_changed_is_read_and_everything_is_listed(room: FolderRoom) -> None:
    for name in ("ferry", "lamp", "quay"):
        room.publish(name, name.title())
    (room.place / "tide.md").write_text("---\nid: 2026-tide\n---\n# Tide\n\nText.")
    first = look(room)
    room.edit("lamp", "It burns.")
    (room.place / "quay.txt").unlink()
    second = look_again(room, first)
    assert [article.title for article in second.articles] == ["Lamp"]
    assert (second.same, second.listing and second.listing.complete) == (2, True)
    assert second.listing is not None
    assert set(second.listing.ids) == {"ferry.txt", "lamp.txt", "2026-tide"}


def test_a_path_may_move_and_an_id_stays(room: FolderRoom) -> None:
    room.publish("ferry", "Ferry")
    (room.place / "tide.md").write_text("---\nid: 2026-tide\n---\n# Tide\n\nText.")
    assert {article.native_id: article.place for article in look(room).articles} == {
        "ferry.txt": "ferry.txt",
        "2026-tide": "tide.md",
    }


def test_two_files_with_one_id_never_take_turns(room: FolderRoom) -> None:
    (room.place / "b.md").write_text("---\nid: x\n---\n# B\n\nText.")
    first = look(room)
    (room.place / "c.md").write_text("---\nid: x\n---\n# C\n\nText.")
    second = look_again(room, first)
    assert (second.articles, [refusal.item for refusal in second.refused]) == ((), ["c.md"])
    (room.place / "a.md").write_text("---\nid: x\n---\n# A\n\nText.")
    third = look_again(room, first)
    assert [article.title for article in third.articles] == ["A"]
    again = look_again(room, third)
    assert (again.articles, [refusal.item for refusal in again.refused]) == ((), ["b.md", "c.md"])


@pytest.mark.parametrize("text", ["---\nid: [\n---\nText.", "---\nid: x\nText."])
def test_a_list_that_may_lack_an_article_is_not_certain(room: FolderRoom, text: str) -> None:
    """Nobody can tell which article a file is whose front matter cannot be read: none is taken as removed."""
    room.publish("ferry", "Ferry")
    assert (listing := look(room).listing) is not None
    assert listing.certain
    (room.place / "tide.md").write_text(text)
    page = look(room)
    assert page.listing is not None
    assert (page.listing.certain, page.listing.ids, len(page.refused)) == (False, ("ferry.txt", "tide.md"), 1)
    assert room.fetcher.again(room.source, ["ferry.txt", "2026-lamp"], now=NOW).gone == frozenset()


def test_a_text_that_cannot_be_read_is_listed_all_the_same(room: FolderRoom) -> None:
    room.publish("ferry", "Ferry")
    room.spoil("ferry")
    page = look(room)
    assert page.listing is not None
    assert (page.listing.ids, len(page.refused)) == (("ferry.txt",), 1)


@given(data=st.binary(max_size=400), name=st.sampled_from(["a.txt", "a.md", "a.html"]))
def test_any_bytes_are_an_article_or_refused(data: bytes, name: str) -> None:
    with TemporaryDirectory() as place:
        Path(place, name).write_bytes(data)
        source = Source(slug="s", kind="folder", url=place, interval=timedelta(minutes=1))
        (page,) = ArticleFolder().fetch(source, now=NOW)
        assert len(page.articles) + len(page.refused) <= 1


def test_what_editors_leave_behind_is_no_article(room: FolderRoom) -> None:
    for name in (".story.txt", ".story.txt.swp", "story.txt~", "~$story.md", "#story.txt#", "story.txt.part", "a.docx"):
        (room.place / name).write_text("Head\n\nText.")
    (room.place / ".git").mkdir()
    (room.place / ".git" / "notes.txt").write_text("Head\n\nText.")
    page = look(room)
    assert (page.articles, page.refused) == ((), ())
    assert page.listing is not None
    assert page.listing.ids == ()


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"\0" * 50])
@pytest.mark.parametrize("name", ["story.txt", "story.md", "story.html"])
def test_an_empty_file_is_refused(room: FolderRoom, data: bytes, name: str) -> None:
    assert "it is empty" in refused(room, data, name)


@pytest.mark.parametrize("name", ["story.txt", "story.md", "story.html"])
def test_a_picture_named_as_an_article_is_refused(room: FolderRoom, name: str) -> None:
    assert "it is not text" in refused(room, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 9, name)


def test_a_huge_file_is_refused(room: FolderRoom) -> None:
    assert refused(room, "word " * (MAXIMUM_BYTES // 5 + 1), "a.txt").endswith("an article may have 5,242,880")
    (room.place / "a.txt").unlink()
    assert "Markdown may have 1,048,576" in refused(room, "word " * 300_000, "b.md")
    (room.place / "b.md").unlink()
    assert "more than 20,000 tags" in refused(room, "<div>" * 20_001, "c.html")


def test_links_that_lead_out_of_the_folder_are_refused(room: FolderRoom, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "secret.txt").write_text("Secret\n\nText.")
    (room.place / "out.txt").symlink_to(tmp_path / "secret" / "secret.txt")
    (room.place / "folder").symlink_to(tmp_path / "secret")
    (room.place / "loop.txt").symlink_to(room.place / "loop.txt")
    (room.place / "gone.txt").symlink_to(room.place / "nothing.txt")
    (room.place / "real.txt").write_text("Real\n\nText.")
    (room.place / "inside.txt").symlink_to(room.place / "real.txt")
    page = look(room)
    assert [article.native_id for article in page.articles] == ["inside.txt", "real.txt"]
    told = {refusal.item: refusal.reason for refusal in page.refused}
    assert set(told) == {"out.txt", "folder", "loop.txt", "gone.txt"}
    assert "leads out of the folder" in told["out.txt"]
    assert "leads out of the folder" in told["folder"]


def test_a_pipe_is_refused_and_not_waited_for(room: FolderRoom) -> None:
    os.mkfifo(room.place / "pipe.txt")
    assert look(room).refused[0].reason == "it is no ordinary file"


def test_a_name_that_is_no_text_still_names_its_article(room: FolderRoom) -> None:
    path = os.fsencode(room.place) + b"/caf\xe9.txt"
    Path(os.fsdecode(path)).write_text("Head\n\nText.")
    (article,) = look(room).articles
    assert article.native_id == "caf\\udce9.txt"


def test_a_missing_folder_is_named_with_the_remedy(room: FolderRoom) -> None:
    room.place.rmdir()
    with pytest.raises(SourceInvalid, match=r"articles does not exist: create it, or set the path of .*'newsroom'"):
        look(room)
    room.place.write_text("a file")
    with pytest.raises(SourceInvalid, match="is no folder"):
        room.fetcher.check(room.source, now=NOW)


def test_a_check_counts_what_cannot_be_read(room: FolderRoom) -> None:
    for number in range(12):
        room.publish(f"story-{number}", f"Story {number}")
    room.spoil("story-3")
    assert room.fetcher.check(room.source, now=NOW) == "11 articles, 1 not readable"


def test_a_large_folder_comes_in_pages(room: FolderRoom) -> None:
    for number in range(250):
        room.publish(f"story-{number:03}", f"Story {number}")
    pages = list(room.fetcher.fetch(room.source, now=NOW))
    assert [len(page.articles) for page in pages] == [100, 100, 50]


def test_the_sample_sites_articles_are_whole_and_carry_no_date() -> None:
    place = DATA.parents[2] / "articles"
    source = Source(slug="newsroom", kind="folder", url=str(place), interval=timedelta(minutes=1))
    (page,) = ArticleFolder().fetch(replace(source, options={"categories": "folders"}), now=NOW)
    assert not page.refused
    assert len(page.articles) >= 9
    for article in page.articles:
        assert article.title
        assert article.standfirst
        assert article.authors
        assert {"News", "Sport", "Culture"} & set(article.categories)
        assert (article.published_at, article.updated_at) == (None, None)
    written = Counter(author.name for article in page.articles for author in article.authors)
    assert sum(number > 1 for number in written.values()) >= 3


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(
            st.sampled_from(["---\n", "title: x\n", "Author: A\n", "By B\n", "\n", "# x\n", "- a\n", "\t", "<p>"])
        ).map(lambda parts: "".join(parts).encode()),
    ),
    name=st.sampled_from(["a.txt", "a.md", "a.html"]),
)
def test_any_file_is_an_article_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    room = FolderRoom(tmp_path_factory.mktemp("room") / "articles")
    (room.place / name).write_bytes(data)
    page = look(room)
    assert len(page.articles) + len(page.refused) == 1


# ---------------------------------------------------------------- a file that somebody is writing


def test_a_file_is_left_alone_while_it_is_written(tmp_path: Path) -> None:
    room = FolderRoom(tmp_path / "articles")
    fetcher = ArticleFolder(settle=0.3)
    room.publish("ferry", "The ferry returns")
    room.publish("lanterns", "Lantern night moves")
    path, stop = room.place / "lanterns.txt", threading.Event()

    def write_slowly() -> None:
        with path.open("a", encoding="utf-8") as file:
            while not stop.wait(0.02):
                file.write("One more line. ")
                file.flush()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    try:
        (page,) = fetcher.fetch(room.source, now=NOW)
    finally:
        stop.set()
        writer.join()
    assert [article.title for article in page.articles] == ["The ferry returns"]
    assert [refusal.item for refusal in page.refused] == ["lanterns.txt"]
    assert page.listing
    assert "lanterns.txt" in page.listing.ids  # it is there, so it has not been removed

    (page,) = fetcher.fetch(room.source, now=NOW)
    text = next(article for article in page.articles if article.title == "Lantern night moves").content_html
    assert text.count("One more line.") == path.read_text(encoding="utf-8").count("One more line.") > 0


def test_a_file_that_was_just_saved_is_read_whole_without_another_look(tmp_path: Path) -> None:
    room = FolderRoom(tmp_path / "articles")
    room.publish("ferry", "The ferry returns")
    (page,) = ArticleFolder(settle=0.05).fetch(room.source, now=NOW)
    assert [article.title for article in page.articles] == ["The ferry returns"]
