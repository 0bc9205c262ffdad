"""An edition can be made again from what was kept of it, whatever changed since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from publisher import pipeline
from publisher.app import App
from publisher.model import Label, Variant
from publisher.pipeline import keeping
from publisher.store.tables import material
from tests.sites import FERRY, LANTERNS, SETTINGS, TestClock, add_readers, lay_out, open_site, run_due, write

KEY = "daily/daily:2026-11-22"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


@pytest.fixture
def sent(tmp_path: Path, clock: TestClock) -> App:
    """A site whose daily edition has just been mailed to two readers."""
    root = lay_out(tmp_path, SETTINGS, {"news/ferry.txt": FERRY, "evening/lanterns.txt": LANTERNS})
    app = open_site(root, clock)
    add_readers(app, "ben@mail.example", "ann@mail.example")
    pipeline.one_pass(app.parts, lambda _step, _result: None)
    assert str(app.parts.store.editions.get(KEY).state) == "done"
    return app


def changed(app: App, clock: TestClock) -> App:
    """The same site a day later: new settings, templates and words, and every article says something else."""
    app.close()
    settings = SETTINGS.replace(
        'name = "The Daily"', 'name = "The Evening Daily"\nutm = true\ntemplate = "digest/alert"'
    )
    settings = settings.replace("1 Quay Street", "9 Mill Road").replace("Europe/Dublin", "Asia/Tokyo")
    for name in ("digest/daily/body.html", "digest/daily/body.txt", "digest/base.html", "digest/parts.html"):
        path = app.root / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{{ unsubscribe_url }} quite another look")
    write(app.root, "news/ferry.txt", FERRY.replace("sixty", "forty"))
    (app.root / "settings.toml").write_text(settings)
    clock.move(days=1)
    again = open_site(app.root, clock)
    run_due(again)
    return again


def test_the_same_bytes_come_again_after_settings_templates_and_articles_changed(sent: App, clock: TestClock) -> None:
    app = changed(sent, clock)
    articles = app.parts.store.articles.get([item.article for item in app.parts.store.editions.get(KEY).items])
    assert {one.revision.number for one in articles.values()} == {1, 2}
    [made] = pipeline.rebuild(app.parts, KEY)
    assert made.same, made.reason
    assert made.again is not None
    assert made.again.content_hash == made.stored.content_hash
    assert made.again.key == made.stored.key
    assert "sixty people" in made.again.rendered.text


def test_a_named_reader_s_message_comes_again_as_it_was_mailed(sent: App, clock: TestClock) -> None:
    mailed = {path.read_bytes() for path in (sent.root / "var/maildir/new").glob("*")}
    app = changed(sent, clock)
    ben = app.parts.store.audience.by_email("ben@mail.example")
    assert ben is not None
    message = pipeline.message_again(app.parts, KEY, ben.id)
    assert message in mailed
    assert b"ben@mail.example" in message


def test_every_variant_is_made_again_from_what_it_shows(sent: App, clock: TestClock) -> None:
    edition = sent.parts.store.editions.get(KEY)
    [first] = sent.parts.store.editions.variants(edition.id)
    other = _other(sent, first, clock)
    sent.parts.store.editions.add_variant(edition.id, other)
    made = pipeline.rebuild(changed(sent, clock).parts, KEY)
    assert [len(one.stored.items) for one in made] == [2, 1]
    assert [one.stored.language for one in made] == ["en", "de"]
    assert all(one.same for one in made), [one.reason for one in made]


def _other(app: App, first: Variant, clock: TestClock) -> Variant:
    """A reader's own choice of the same edition, in another language."""
    recipe = pipeline.recipe_of(app.parts, first)
    return pipeline.make(
        app.parts, recipe.newsletter, recipe.slot, first.items[:1], recipe.articles, now=clock.now(), language="de"
    )


def test_variants_made_one_after_the_other_are_those_made_alone(sent: App, clock: TestClock) -> None:
    edition = sent.parts.store.editions.get(KEY)
    [first] = sent.parts.store.editions.variants(edition.id)
    recipe, (lead, short) = pipeline.recipe_of(sent.parts, first), first.items
    told = (replace(lead, label=Label.UPDATED), replace(short, label=Label.CORRECTION, overrides={"title": "Mended"}))
    shown = [first.items, (short,), (short, lead), told, first.items, (told[1], lead), (replace(short, section="Sea"),)]
    with keeping.templates_of(recipe) as templates:
        press = keeping.Press(recipe, templates)
        together = [press.make(items, language) for items in shown for language in ("en", "de", "ar", "en")]
        alone = [
            keeping.Press(recipe, templates).make(items, language)
            for items in shown
            for language in ("en", "de", "ar", "en")
        ]
    assert together == alone
    assert [one.materials for one in together] == [one.materials for one in alone]
    assert len({one.content_hash for one in together}) == 3 * (len(shown) - 1)
    assert together[0].content_hash == first.content_hash


def test_variants_share_the_texts_they_are_made_from(sent: App, clock: TestClock) -> None:
    edition = sent.parts.store.editions.get(KEY)
    [first] = sent.parts.store.editions.variants(edition.id)
    before = materials(sent)
    sent.parts.store.editions.add_variant(edition.id, _other(sent, first, clock))
    assert materials(sent) == before + 1  # its own document


def materials(app: App) -> int:
    with app.parts.store._access.read() as connection:  # type: ignore[attr-defined]
        return int(connection.execute(sa.select(sa.func.count()).select_from(material)).scalar_one())


def test_what_was_altered_is_named_and_never_taken_for_the_edition(sent: App) -> None:
    with sent.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        connection.execute(sa.update(material).values(body=b"x\x9cK\x04\x00\x00b\x00b"))
    [made] = pipeline.rebuild(sent.parts, KEY)
    assert (made.same, made.again) == (False, None)
    assert "altered" in made.reason


def test_an_edition_from_before_recipes_says_so(sent: App) -> None:
    edition = sent.parts.store.editions.get(KEY)
    [first] = sent.parts.store.editions.variants(edition.id)
    sent.parts.store.editions.add_variant(edition.id, replace(first, key="old", recipe=""))
    old = pipeline.rebuild(sent.parts, KEY)[1]
    assert not old.same
    assert "before Publisher kept" in old.reason


def test_the_mail_links_to_the_page_where_it_will_stand(sent: App) -> None:
    edition = sent.parts.store.editions.get(KEY)
    [first] = sent.parts.store.editions.variants(edition.id)
    url = "https://news.harbour-gazette.example/feeds/archive/daily/daily-2026-11-22.html"
    assert url in first.rendered.html
    assert url in first.rendered.text
