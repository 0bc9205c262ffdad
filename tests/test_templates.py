"""The templates that come with Publisher: what a reader's mail program, browser and screen reader get."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from publisher import compose, notices, preflight
from publisher.compose.stories import EditionView, ImageView, NewsletterView, SectionView, SiteView, StoryView
from publisher.kit import message, templating
from publisher.kit.templating import TemplateFolders
from publisher.model import Article, Label, Letter, Rendered, Situation, Slot
from tests.more_stories import arabic, busy
from tests.people import NOW, newsletter, site
from tests.stories import PICTURE, labelled, told

ROOT = Path(__file__).parents[1] / "templates"
TEMPLATES = TemplateFolders([ROOT])
HOSTILE = '"><script>alert(1)</script>'


DIGESTS = ("daily", "headlines", "alert")


def digest(
    articles: tuple[Article, ...] = told(),
    language: str = "en",
    template: str = "daily",
    labels: Mapping[int, Label] | None = None,
    online_url: str = "",
) -> Rendered:
    daily = newsletter(language=language, template=f"digest/{template}")
    items = compose.choose(daily, articles, {}, now=NOW).items
    return compose.render(
        daily,
        Slot(name="daily:2026-11-22", due_at=NOW + timedelta(hours=1)),
        labelled(items, labels or {}),
        {one.id: one for one in articles},
        site=site(),
        templates=TEMPLATES,
        now=NOW,
        online_url=online_url,
    )


def attributes(html: str, selector: str, name: str) -> list[str | None]:
    return [node.attributes.get(name) for node in LexborHTMLParser(html).css(selector)]


# ---------------------------------------------------------------- the digest


@pytest.mark.parametrize("template", DIGESTS)
def test_layout_tables_are_no_tables_to_a_screen_reader(template: str) -> None:
    assert set(attributes(digest(template=template).html, "table", "role")) == {"presentation"}


def test_headings_tell_the_edition_in_order() -> None:
    page = LexborHTMLParser(digest().html)

    assert [node.tag for node in page.css("h1, h2, h3")] == ["h1", "h2", "h3", "h2", "h3", "h2", "h3", "h3", "h2", "h3"]
    assert [node.text(strip=True) for node in page.css("h2")] == ["Harbour", "Schools", "Town", "Sport"]


def test_stories_without_a_section_stand_under_a_heading_too() -> None:
    assert [n.text(strip=True) for n in LexborHTMLParser(digest(told(web=False)).html).css("h2")] == ["More stories"]


def test_the_mail_says_its_language_and_title() -> None:
    made = digest(language="en-IE")
    page = LexborHTMLParser(made.html)

    assert attributes(made.html, "html", "lang") == ["en-IE"]
    assert [node.text() for node in page.css("title")] == [made.subject]
    assert page.css_first("body").text(strip=True).startswith("Also today: Sea wall to be raised")


def test_a_story_in_another_language_says_so() -> None:
    first, second = told(2)
    arabic = replace(second, revision=replace(second.revision, language="ar"))
    made = digest((first, arabic), language="en-IE").html

    assert attributes(made, "td[lang]", "lang") == ["ar"]
    assert attributes(made, "td[lang]", "dir") == ["rtl"]


def test_pictures_have_words_and_a_size_that_fits() -> None:
    made = digest().html

    assert attributes(made, "img", "alt") == [PICTURE.alt]
    assert (attributes(made, "img", "width"), attributes(made, "img", "height")) == (["576"], ["324"])


@pytest.mark.parametrize("template", DIGESTS)
def test_right_to_left_turns_everything_around(template: str) -> None:
    made = digest(arabic(), "ar", template).html

    assert {*attributes(made, "html", "dir"), *attributes(made, "[dir]", "dir")} == {"rtl"}
    assert {*attributes(made, "td[align]", "align")} == {"right", "center"}  # Word aligns by this alone
    assert "letter-spacing" not in made  # it would tear joined letters apart
    assert "text-align: left" not in made
    assert "←" in digest(language="ar").html


@pytest.mark.parametrize("template", DIGESTS)
def test_letters_that_know_no_italics_are_not_slanted(template: str) -> None:
    labels = {one.id: Label.CORRECTION for one in arabic()}

    def slanted(made: Rendered) -> int:
        return sum("italic" in (style or "") for style in attributes(made.html, "[style]", "style"))

    assert slanted(digest(arabic(), "ar", template, labels)) == 0
    assert slanted(digest(arabic(), "en", template, labels)) == 0
    assert slanted(digest(told(2), "en", template, {1: Label.CORRECTION}))


def test_headlines_that_lead_somewhere_look_it() -> None:
    linked, unlinked = (digest(told(web=web), template="headlines").html for web in (True, False))

    assert {*attributes(linked, "h1, h3", "class")} == {"first accent", "line accent"}
    assert {*attributes(unlinked, "h1, h3", "class")} == {"first ink", "line ink"}


@pytest.mark.parametrize("template", DIGESTS)
def test_nothing_that_outlook_cannot_lay_out(template: str) -> None:
    made = digest(busy(), template=template).html
    inline = " ".join(style or "" for style in attributes(made, "[style]", "style"))

    for feature in ("flex", "grid", "position", "float", "background-image", "url(", "calc(", "var(", "rem"):
        assert feature not in inline
    texts = [style or "" for style in attributes(made, "h1, h2, h3, p, a, span", "style")]
    assert not [style for style in texts if "padding" in style]  # Word knows it of cells alone
    assert made.count("<!--[if mso]>") == made.count("<![endif]-->") >= 3
    assert 'width="640"' in made


def test_styles_stand_on_the_elements_and_dark_mode_stays_in_the_head() -> None:
    made = digest().html

    assert re.search(r'<h1 class="headline ink" style="[^"]*font-size: 36px', made)
    assert "@media (prefers-color-scheme: dark)" in made
    assert "[data-ogsc] .ink" in made
    assert "[data-ogsb] .sheet" in made


@pytest.mark.parametrize("template", DIGESTS)
def test_dark_mode_names_every_class_that_carries_a_colour(template: str) -> None:
    made = digest(busy(), "en", template, {2: Label.CORRECTION, 5: Label.UPDATED}).html
    dark = made[made.index("prefers-color-scheme: dark") :]
    assert all(
        any(f".{name}" in dark for name in (node.attributes["class"] or "").split())
        for node in LexborHTMLParser(made).css(
            "p[class], h1, h2, h3, td.bar, td.rule, td.hair, td.panel, td.signal, td.action"
        )
    )


def test_the_footer_says_why_and_how_to_leave() -> None:
    made = digest()

    for words in ("You receive The Harbour Gazette Daily because you subscribed to it.", "1 Quay Street, Kilmarnagh"):
        assert words in made.html
        assert words in made.text
    assert attributes(made.html, f'a[href="{message.UNSUBSCRIBE_URL}"]', "href") == [message.UNSUBSCRIBE_URL]
    assert f"Unsubscribe:\n{message.UNSUBSCRIBE_URL}\n" in made.text


LABELS = {2: Label.CORRECTION, 5: Label.UPDATED, 6: Label.RETRACTION}


@pytest.mark.parametrize("template", ["daily", "headlines"])
def test_corrections_and_retractions_say_what_they_are_and_why(template: str) -> None:
    first, wall, *rest = told()
    noted = replace(wall, revision=replace(wall.revision, note="The wall rises by a metre, not by two."))
    made = digest((first, noted, *rest), "en", template, LABELS)
    shown = [node.text(strip=True) for node in LexborHTMLParser(made.html).css(".kicker.alarm")]

    assert shown == ["Correction", "Retraction"]
    assert "CORRECTION\nSea wall to be raised by a metre before the winter\n" in made.text
    for words in (
        "The wall rises by a metre, not by two.",
        "We have withdrawn this story, which was sent to you earlier.",
    ):
        assert words in made.html
        assert words in made.text
    assert "kilmarnagh-rovers" not in made.html + made.text  # nobody is sent to what was withdrawn
    assert "two goals" not in (made.html + made.text).lower()


def inbox(made: Rendered) -> tuple[str, str]:
    """What an inbox shows of a mail before it is opened: its subject and its preheader."""
    preheader = LexborHTMLParser(made.html).css_first(".preheader").text()
    return made.subject, " ".join(preheader.replace("\u034f", "").replace("\u200c", "").split())


UPDATED, CORRECTED, RETRACTED = Label.UPDATED, Label.CORRECTION, Label.RETRACTION
FERRY, ALSO = "Ferry returns to Kilmarnagh after forty years", "Also today: “We counted every heron”: a school’s"
WITHDRAWN, MENDED = "We have withdrawn this story, which was", "We corrected this story after it was sent"


@pytest.mark.parametrize("template", ["daily", "headlines"])
@pytest.mark.parametrize(
    ("labels", "subject", "preheader"),
    [
        ({1: RETRACTED, 2: RETRACTED, 3: RETRACTED}, f"Retraction: {FERRY} (and 2 more)", WITHDRAWN),
        ({1: CORRECTED, 2: RETRACTED, 3: RETRACTED}, f"Correction: {FERRY} (and 2 more)", MENDED),
        ({2: RETRACTED, 3: CORRECTED}, FERRY, "The first boat left at seven"),
        ({2: RETRACTED}, f"{FERRY}, and 1 more story", ALSO),
        ({1: UPDATED, 2: CORRECTED, 3: RETRACTED}, f"Updated: {FERRY}", "The first boat left at seven"),
        ({1: UPDATED, 2: CORRECTED}, f"{FERRY}, and 1 more story", ALSO),
    ],
)
def test_an_inbox_never_tells_as_news_what_was_taken_back(
    template: str, labels: Mapping[int, Label], subject: str, preheader: str
) -> None:
    shown = inbox(digest(told(3), "en", template, labels))

    assert shown[0] == subject
    assert shown[1].startswith(preheader)
    assert "Sea wall" not in " ".join(shown)


def test_one_retraction_is_its_note_in_the_inbox_of_every_look() -> None:
    told_once = [inbox(digest(told(1), "en", look, {1: RETRACTED})) for look in DIGESTS]

    assert {subject for subject, _ in told_once} == {f"Retraction: {FERRY}"}
    assert all(preheader.startswith(WITHDRAWN) for _, preheader in told_once)


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("de", f"Zurückgezogen: {FERRY} (und 1 weitere)"),
        ("fr", f"Article retiré : {FERRY} (et 1 autre)"),
        ("es", f"Artículo retirado: {FERRY} (y 1 más)"),
        ("ar", f"خبر مسحوب: {FERRY} (وواحد آخر)"),
    ],
)
def test_corrections_are_counted_in_every_language(language: str, subject: str) -> None:
    assert digest(told(2), language, labels={1: RETRACTED, 2: RETRACTED}).subject == subject


def test_the_contents_name_what_was_taken_back_apart() -> None:
    made = digest(busy(), labels={2: CORRECTED, 6: RETRACTED})
    lines = [node.text(strip=True) for node in LexborHTMLParser(made.html).css("p.index")]

    rovers = "Retraction: Kilmarnagh Rovers draw in the rain, and nobody minds"
    assert lines[-1].startswith("Corrections")
    assert lines[-1].split(" · ")[1] == rovers
    assert not [line for line in lines[:-1] if "Sea wall" in line or "Rovers draw" in line]
    assert "\nCORRECTIONS\n\n10. Correction: Sea wall to be raised by a metre before the winter\n" in made.text
    assert "\n11. Retraction: Kilmarnagh Rovers draw in the rain, and nobody minds\n" in made.text


@pytest.mark.parametrize("template", DIGESTS)
def test_what_was_taken_back_stands_under_a_heading_of_its_own(template: str) -> None:
    made = digest(told(3), "en", template, {2: CORRECTED, 3: RETRACTED})

    assert [node.text(strip=True) for node in LexborHTMLParser(made.html).css("h2")][-1] == "Corrections"
    assert "\nCORRECTIONS\n-----" in made.text
    for words in (MENDED, WITHDRAWN):
        assert words in made.html
        assert words in made.text
    assert "RETRACTION\n“We counted every heron”" in made.text


def test_an_alert_says_that_it_is_one_and_a_digest_does_not() -> None:
    why = "You get this alert because you subscribed to The Harbour Gazette Daily."
    made = [digest(told(1), template=template) for template in ("alert", "daily")]

    assert [[why in one.html, why in one.text] for one in made] == [[True, True], [False, False]]


FARE = "The fare is five euro, not four."


@pytest.mark.parametrize("template", DIGESTS)
def test_who_never_saw_what_was_wrong_is_not_told_that_it_was_mended(template: str) -> None:
    first, *rest = told()
    stories = (replace(first, revision=replace(first.revision, note=FARE)), *rest)
    new, owed = digest(stories, template=template), digest(stories, "en", template, {1: Label.CORRECTION})

    assert [FARE in part for part in (new.html, new.text, owed.html, owed.text)] == [False, False, True, True]


@pytest.mark.parametrize("template", DIGESTS)
def test_nothing_that_a_withdrawn_story_told_is_told_again(template: str) -> None:
    made = digest(told(1), "en", template, {1: Label.RETRACTION})

    for words in ("brass band", "rope was thrown", "Orla Keane", PICTURE.url, told(1)[0].canonical_url):
        assert words not in made.html
        assert words not in made.text


def test_an_alert_is_one_story_and_says_what_it_is() -> None:
    news, corrected = digest(told(1), template="alert"), digest(told(1), "fr", "alert", {1: Label.CORRECTION})

    assert news.subject == "Ferry returns to Kilmarnagh after forty years"
    assert corrected.subject == "Rectificatif : Ferry returns to Kilmarnagh after forty years"
    assert "News alert" in news.html
    assert "News alert" not in corrected.html
    assert attributes(news.html, "td.action a", "href") == [told(1)[0].canonical_url]


@pytest.mark.parametrize("template", DIGESTS)
def test_the_edition_can_be_read_online_where_it_stands_there(template: str) -> None:
    url = "https://news.harbour-gazette.example/archive/daily-2026-11-22"
    made = digest(template=template, online_url=url)

    assert attributes(made.html, f'a[href="{url}"]', "href") == [url]
    assert f"Read online:\n{url}\n" in made.text
    assert "Read online" not in digest(template=template).html + digest(template=template).text


def test_a_long_edition_begins_with_its_contents() -> None:
    long, short = digest(busy()), digest()

    assert "In this edition" in long.html
    assert "IN THIS EDITION\n\n 1. Ferry returns" in long.text
    assert "In this edition" not in short.html + short.text


WORDS = {
    "de": ("Weiterlesen", "Weitere Meldungen", "Abbestellen", "Sonntag, 22. November 2026", "und 5 weitere Meldungen"),
    "fr": ("Lire la suite", "Autres articles", "Se désabonner", "dimanche 22 novembre 2026", "et 5 autres articles"),
    "es": (
        "Leer el artículo completo",
        "Más noticias",
        "Darse de baja",
        "domingo, 22 de noviembre de 2026",
        "y 5 noticias",
    ),
    "ar": ("اقرأ المقال كاملًا", "أخبار أخرى", "إلغاء الاشتراك", "الأحد، 22 نوفمبر 2026", "و5 أخبار أخرى"),
}


@pytest.mark.parametrize("language", WORDS)
def test_the_frame_speaks_the_readers_language(language: str) -> None:
    made, plain = digest(language=language), digest(told(web=False), language)
    more, sections, leave, day, others = WORDS[language]

    assert more in made.html
    assert sections in plain.html
    assert sections.upper() in plain.text
    assert others in made.subject
    for words in (leave, day):
        assert words in made.html
        assert words in made.text


@pytest.mark.parametrize("template", DIGESTS)
@pytest.mark.parametrize("language", ["en", *WORDS])
def test_no_text_part_is_ragged(template: str, language: str) -> None:
    text = digest(busy(), language, template, LABELS).text

    assert max(len(line) for line in text.splitlines() if "://" not in line) <= 72
    assert "\n\n\n\n" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("template", DIGESTS)
@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_preflight_has_nothing_to_say(template: str, language: str) -> None:
    stories = arabic() if language == "ar" else busy()
    form = message.mould(
        digest(stories[:1] if template == "alert" else stories, language, template, LABELS),
        sender="The Harbour Gazette <daily@harbour-gazette.example>",
        reply_to="",
        list_id="The Daily <daily.harbour-gazette.example>",
        date=NOW,
    )
    link = "https://news.harbour-gazette.example/u/token"
    letter = Letter(0, "ben.okafor@mail.example", "Ben Okafor", 1, "<one@harbour-gazette.example>", link)
    situation = Situation(
        now=NOW,
        external=True,
        links_url="https://news.harbour-gazette.example",
        postal_address=site().postal_address,
    )

    assert preflight.check(message.fill(form, letter), situation) == ()


def test_the_guide_names_every_value() -> None:
    guide = (ROOT.parent / "docs" / "guides" / "templates.md").read_text()
    views = (SiteView, NewsletterView, EditionView, ImageView, StoryView, SectionView)
    names = {field.name for view in views for field in fields(view)}

    assert not {name for name in names if f"`{name}`" not in guide}


def test_the_text_part_reads_well() -> None:
    text = digest(told(web=False)).text

    assert text.startswith("THE HARBOUR GAZETTE\nSunday, November 22, 2026\n=====")
    assert max(map(len, text.splitlines())) == 72
    assert "\n\n\n\n" not in text
    assert "<" not in text
    assert "&" not in text
    assert "\nLibrary stays open on Sundays\nBy Orla Keane\n\nA trial that was meant" in text


def test_addresses_stand_on_lines_of_their_own_in_the_text_part() -> None:
    assert "\nhttps://harbour-gazette.example/library-stays-open-on-sundays\n" in digest().text


def test_a_site_with_nothing_but_a_name_still_gets_a_good_mail() -> None:
    daily, articles = newsletter(), told(1, web=False)
    made = compose.render(
        daily,
        Slot(name="daily:2026-11-22", due_at=NOW),
        compose.choose(daily, articles, {}, now=NOW).items,
        {one.id: one for one in articles},
        site=site(url="", public_url="", postal_address=""),
        templates=TEMPLATES,
        now=NOW,
    )

    assert 'href=""' not in made.html
    assert "Feeds" not in made.html
    assert made.text.rstrip().endswith(message.UNSUBSCRIBE_URL)


# ---------------------------------------------------------------- notices

NOTICES: dict[str, dict[str, Any]] = {
    "test": {"mailer": "smtp", "at": NOW},
    "alarm": {"title": "daily:2026-11-22 has not gone out", "text": "the mailer takes nothing", "at": NOW},
    "confirmation": {
        "newsletter": "The Harbour Gazette Daily",
        "email": "carla.rossi@mail.example",
        "confirm_url": "https://news.harbour-gazette.example/c/token",
        "days": 7,
    },
}


@pytest.mark.parametrize("kind", NOTICES)
def test_a_notice_has_a_subject_and_says_the_same_in_both_parts(kind: str) -> None:
    made = notices.render(kind, NOTICES[kind], site=site(), templates=TEMPLATES)
    html = LexborHTMLParser(templating.inline_css(made.html))
    spoken = " ".join(html.css_first("body").text(separator=" ").split())

    assert 10 < len(made.subject) <= 90
    assert max(len(line) for line in made.text.splitlines() if "://" not in line) <= 72
    for paragraph in made.text.split("\n--\n")[0].split("\n\n")[2:]:
        assert " ".join(paragraph.split())[:30] in spoken or "Noticed on" in paragraph or "://" in paragraph
    assert set(attributes(made.html, "table", "role")) == {"presentation"}


@pytest.mark.parametrize("kind", NOTICES)
def test_notices_escape_what_they_are_told(kind: str) -> None:
    hostile = {name: HOSTILE if isinstance(value, str) else value for name, value in NOTICES[kind].items()}

    made = notices.render(kind, hostile, site=site(name=HOSTILE), templates=TEMPLATES)

    assert "<script" not in templating.inline_css(made.html)


def test_a_confirmation_carries_its_link_in_both_parts() -> None:
    made = notices.render("confirmation", NOTICES["confirmation"], site=site(), templates=TEMPLATES)

    assert made.subject == "Please confirm: The Harbour Gazette Daily"
    assert "\nhttps://news.harbour-gazette.example/c/token\n" in made.text
    assert attributes(made.html, ".button a", "href") == ["https://news.harbour-gazette.example/c/token"]
    assert "carla.rossi@mail.example" in made.text


def test_a_confirmation_speaks_the_language_of_the_site() -> None:
    made = notices.render("confirmation", NOTICES["confirmation"], site=site(language="de"), templates=TEMPLATES)

    assert made.subject == "Bitte bestätigen: The Harbour Gazette Daily"
    for text in (made.html, made.text):
        assert "Möchten Sie „The Harbour Gazette Daily“ erhalten?" in text
    assert "Ja, bitte schicken" in page("confirm", "de")
    assert "إلغاء" not in page("unsubscribe")
    assert "نعم، ألغوا الاشتراك" in page("unsubscribe", "ar")


def test_an_alarm_tells_the_time_of_the_site() -> None:
    made = notices.render("alarm", NOTICES["alarm"], site=site(timezone="Asia/Tokyo"), templates=TEMPLATES)

    assert made.subject == "The Harbour Gazette: daily:2026-11-22 has not gone out"
    assert "Noticed on 22 November 2026, 15:00." in made.text
    assert "22 November 2026, 15:00" in made.html
    assert "The mailer takes nothing" in made.text


# ---------------------------------------------------------------- pages

READER = {"newsletter": "The Harbour Gazette Daily", "email": "ben.okafor@mail.example"}
FEEDS = [
    {
        "title": "The Harbour Gazette",
        "description": "Everything we publish.",
        "page": "all.html",
        "links": [{"name": "rss", "url": "/feeds/all.rss", "type": "application/rss+xml"}],
    }
]
SHOWN = {
    "title": "The ferry returns",
    "url": "https://harbour-gazette.example/ferry",
    "standfirst": "The island service starts again.",
    "language": "en",
    "authors": ["Niamh Casey"],
    "published_at": datetime(2026, 11, 22, 6, tzinfo=UTC),
    "correction": "It carries sixty people.",
    "retracted": False,
    "retraction": "",
}
PAGES: dict[str, dict[str, Any]] = {
    "unsubscribe": READER,
    "unsubscribed": {**READER, "back_url": "/c/token"},
    "confirm": READER,
    "confirmed": READER,
    "feeds": {"feeds": FEEDS, "groups": [FEEDS], "opml_url": "/feeds/feeds.opml"},
    "feed": {**FEEDS[0], "articles": [SHOWN]},
    "message": {"title": "This link is not one of ours", "text": "Copy it whole from the mail."},
}


HOSTILE_FEEDS: dict[str, Any] = {
    "feeds": [{"title": HOSTILE, "description": HOSTILE, "page": "", "links": []}],
    "articles": [
        {**SHOWN, "title": HOSTILE, "standfirst": HOSTILE, "authors": [HOSTILE], "correction": HOSTILE},
        {**SHOWN, "title": HOSTILE, "retracted": True, "retraction": HOSTILE},
    ],
}


def page(name: str, language: str = "en", **changes: Any) -> str:
    values = {"site": compose.site_view(site()), **PAGES[name], **changes}
    return TEMPLATES.render(f"web/public/{name}.html", values, language=language)


@pytest.mark.parametrize("name", PAGES)
def test_pages_need_no_script_and_no_inline_style(name: str) -> None:
    made = page(name)

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", made)
    assert attributes(made, "link[rel=stylesheet]", "href") == ["/static/public.css"]
    assert [node.tag for node in LexborHTMLParser(made).css("h1, main, header, footer")].count("h1") == 1


@pytest.mark.parametrize("name", PAGES)
def test_pages_escape_what_they_are_told(name: str) -> None:
    hostile = {key: HOSTILE for key, value in PAGES[name].items() if isinstance(value, str)}

    made = page(name, **hostile, **HOSTILE_FEEDS)

    assert "<script" not in made


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_their_language_and_direction(name: str) -> None:
    assert (attributes(page(name, "ar"), "html", "lang"), attributes(page(name, "ar"), "html", "dir")) == (
        ["ar"],
        ["rtl"],
    )


@pytest.mark.parametrize("name", ["unsubscribe", "confirm"])
def test_what_a_link_leads_to_asks_with_a_button(name: str) -> None:
    made = page(name)

    assert attributes(made, "form", "method") == ["post"]
    assert attributes(made, "form", "action") == [None]
    assert attributes(made, "form button", "type") == ["submit"]
    assert "ben.okafor@mail.example" in made


def test_unsubscribing_by_page_is_told_apart_from_one_click() -> None:
    """RFC 8058 section 3.1: a mail program posts this field; who pressed our button is shown a page instead."""
    assert "List-Unsubscribe" not in page("unsubscribe")


def test_feeds_are_found_by_people_and_by_feed_readers() -> None:
    made = page("feeds")

    assert attributes(made, "link[rel=alternate]", "href") == ["/feeds/all.rss"]
    assert attributes(made, "link[rel=alternate]", "type") == ["application/rss+xml"]
    assert attributes(made, "main a", "href") == ["all.html", "/feeds/all.rss", "all.html", "/feeds/feeds.opml"]
    assert [node.text() for node in LexborHTMLParser(made).css(".address")] == ["/feeds/all.rss"]
    assert "noindex" not in made
    assert "noindex" in page("unsubscribe")


def test_the_stylesheet_is_light_and_dark_and_loads_nothing() -> None:
    css = TEMPLATES.render("web/public/public.css", {})

    assert "prefers-color-scheme: dark" in css
    assert not re.search(r"url\(|@import|https?:", css)


@pytest.mark.parametrize(
    "path", sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*.*") if p.suffix not in (".css", ".po"))
)
def test_every_template_says_what_it_is_given(path: str) -> None:
    assert (ROOT / path).read_text().startswith("{#")
