"""Pictures of an edition: made small, kept beside the feeds, served, and never a risk to the mail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from publisher import compose, pipeline
from publisher.app import App
from publisher.fetchers.pictures import PictureReader
from publisher.model import Article, Image, Item, Level, Slot
from publisher.pipeline.pictures import hosted
from tests.kit.test_images import opened, photo
from tests.people import NOW, article, newsletter
from tests.pipeline.newsroom import open_newsroom, story
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site

LARGE = photo(4000, 2250, quality=95)


class Gallery(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = {"/ferry.jpg": LARGE, "/page.html": b"<html>no picture</html>"}.get(self.path)
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gallery() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gallery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Only the wire's own pictures may come from this machine."""
    site, _ = open_newsroom(tmp_path, TestClock(datetime(2026, 11, 22, 6, tzinfo=UTC)))
    sources = tuple(replace(source, allow_private=source.slug == "wire") for source in site.parts.sources)
    parts = replace(site.parts, sources=sources, pictures=PictureReader(user_agent="Publisher/test"))
    yield replace(site, parts=parts)
    site.close()


def with_picture(url: str, number: int = 1, source: str = "wire") -> Article:
    image = Image(url=url, alt="The ferry", credit="Fionn Hale", width=4000, height=2250, bytes=len(LARGE))
    return article("Ferry returns", id=number, source=source, image=image)


def mailed(app: App, *articles: Article) -> list[Image | None]:
    items = [Item(article=one.id, revision=1, position=place) for place, one in enumerate(articles)]
    made = hosted(app.parts, items, {one.id: one for one in articles})
    return [made[one.id].revision.image for one in articles]


def test_a_picture_of_four_megabytes_is_mailed_as_a_small_file_beside_the_feeds(app: App, gallery: str) -> None:
    (image,) = mailed(app, with_picture(f"{gallery}/ferry.jpg"))

    assert image is not None
    name = image.url.rpartition("/feeds/")[2]
    kept = app.parts.folder.get(name)
    assert kept is not None
    assert len(LARGE) > 4_000_000
    assert len(kept) == image.bytes < 700_000
    assert opened(kept).size == (image.width, image.height) == (1152, 648)
    assert (image.alt, image.credit, image.type) == ("The ferry", "Fionn Hale", "image/jpeg")
    assert mailed(app, with_picture(f"{gallery}/ferry.jpg")) == [image]  # the same content has the same name
    assert [one for one in app.parts.folder.names() if one.startswith("picture-")] == [name]


def test_a_picture_that_cannot_be_had_is_left_out_and_says_why(app: App, gallery: str) -> None:
    broken = [with_picture(f"{gallery}/{name}", number) for number, name in enumerate(("gone.jpg", "page.html"), 1)]
    why = (f"{gallery}/gone.jpg answers 404", f"it is no picture, or a broken one ({gallery}/page.html)")

    assert [(image.url, image.lost) for image in mailed(app, *broken) if image] == [("", words) for words in why]


def test_no_picture_is_fetched_from_inside_unless_its_source_stands_there(app: App, gallery: str) -> None:
    (image,) = mailed(app, with_picture(f"{gallery}/ferry.jpg", source="newsroom"))
    assert image
    assert (image.url, "private" in image.lost) == ("", True)


def test_an_editor_is_told_of_a_picture_that_was_left_out(tmp_path: Path, gallery: str) -> None:
    site, newsroom = open_newsroom(tmp_path, TestClock(datetime(2026, 11, 22, 10, tzinfo=UTC)))
    sources = tuple(replace(source, allow_private=True) for source in site.parts.sources)
    parts = replace(site.parts, sources=sources, pictures=PictureReader(user_agent="Publisher/test"))
    told = [story(f"Ferry {name}", image=Image(url=f"{gallery}/{name}.jpg", alt="It")) for name in ("ferry", "gone")]
    newsroom.lists("newsroom", *told)
    add_readers(site, "ben@mail.example")
    pipeline.one_pass(parts, lambda _step, _result: None)
    edition = parts.store.editions.get("daily/daily:2026-11-22")
    (variant,) = parts.store.editions.variants(edition.id)
    found = pipeline.findings(parts, edition, parts.newsletters[0], [variant], network=False)
    (lost,) = [one for one in found if one.rule == "image-lost"]
    assert (lost.level, lost.where) == (Level.WARN, "“Ferry gone”")
    assert f"{gallery}/gone.jpg answers 404" in lost.why
    assert pipeline.rebuild(parts, edition.key)[0].same
    site.close()


def test_pictures_stay_where_they_are_unless_the_site_hosts_them(app: App, gallery: str) -> None:
    one = with_picture(f"{gallery}/ferry.jpg")

    assert mailed(replace(app, parts=replace(app.parts, pictures=None)), one) == [one.revision.image]


def test_the_mail_names_the_hosted_picture_with_its_size(app: App, gallery: str) -> None:
    one = with_picture(f"{gallery}/ferry.jpg")
    items = [Item(article=1, revision=1, position=0)]
    made = compose.render(
        newsletter(),
        Slot(name="daily:2026-11-22", due_at=NOW),
        items,
        hosted(app.parts, items, {1: one}),
        site=app.parts.site,
        templates=app.parts.templates,
        now=NOW,
    ).html

    assert gallery not in made
    assert 'width="576" height="324"' in made
    assert "loading=" not in made
    assert "srcset" not in made


def test_a_site_hosts_pictures_when_its_settings_say_so(tmp_path: Path) -> None:
    said = SETTINGS.replace("[site]\n", "[site]\nhost_pictures = true\n", 1)
    for settings, hosts in ((SETTINGS, False), (said, True)):
        site = open_site(lay_out(tmp_path / str(hosts), settings, {}), TestClock(NOW))
        assert (site.parts.pictures is not None) is hosts
        site.close()


def test_an_edition_is_made_again_with_the_picture_that_was_hosted(tmp_path: Path, gallery: str) -> None:
    clock = TestClock(datetime(2026, 11, 22, 10, tzinfo=UTC))
    site, newsroom = open_newsroom(tmp_path, clock)
    sources = tuple(replace(source, allow_private=True) for source in site.parts.sources)
    parts = replace(site.parts, sources=sources, pictures=PictureReader(user_agent="Publisher/test"))
    newsroom.lists("newsroom", story("Ferry returns", image=Image(url=f"{gallery}/ferry.jpg", alt="The ferry")))
    add_readers(site, "ben@mail.example")
    pipeline.one_pass(parts, lambda _step, _result: None)
    [made] = pipeline.rebuild(replace(parts, pictures=None), "daily/daily:2026-11-22")
    assert made.same, made.reason
    assert "/feeds/picture-" in made.stored.rendered.html
    assert f"{gallery}/ferry.jpg" not in made.stored.rendered.html
    site.close()
