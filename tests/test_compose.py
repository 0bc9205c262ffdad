"""Step 3: what goes into an edition and why, and that it can be read, mailed and made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import compose
from publisher.errors import TemplateError
from publisher.kit import message
from publisher.kit.templating import TemplateFolders
from publisher.model import (
    Article,
    ArticleState,
    EditionState,
    Image,
    Item,
    Label,
    MailPermission,
    Newsletter,
    Rendered,
    SectionRule,
    Selection,
    Slot,
)
from tests.people import NOW, article, newsletter, site
from tests.stories import PICTURE, told

TEMPLATES = Path(__file__).parents[1] / "templates"
SLOT = Slot(name="daily:2026-11-22", due_at=NOW + timedelta(hours=1))


def choose(*articles: Article, sent: Mapping[int, frozenset[int]] | None = None, **settings: object) -> compose.Choice:
    return compose.choose(newsletter(**settings), articles, sent or {}, now=NOW)


def rules(choice: compose.Choice) -> dict[int, str]:
    return {decision.article: decision.rule for decision in choice.decisions}


def render(
    articles: Sequence[Article], daily: Newsletter | None = None, *folders: Path, items: Sequence[Item] = ()
) -> Rendered:
    daily = daily or newsletter()
    return compose.render(
        daily,
        SLOT,
        items or compose.choose(daily, articles, {}, now=NOW).items,
        {one.id: one for one in articles},
        site=site(),
        templates=TemplateFolders([*folders, TEMPLATES]),
        now=NOW,
    )


# ---------------------------------------------------------------- choosing


def in_sections(*articles: Article, **settings: object) -> list[tuple[int, str]]:
    water = SectionRule(title="On the water", categories=("harbour", "Boats"), limit=2, order="oldest")
    sport = SectionRule(title="Sport", categories=("Sport",))
    choice = choose(*articles, sections=(sport, water), **settings)
    return [(item.article, item.section) for item in choice.items]


def filed(id: int, category: str, hours: int) -> Article:
    return article(id=id, categories=(category,), published_at=NOW - timedelta(hours=hours))


def test_a_newsletters_own_sections_have_their_order_and_their_limit() -> None:
    articles = (filed(1, "Town", 1), filed(2, "Harbour", 2), filed(3, "Sport", 3), filed(4, "Boats", 4))
    articles += (filed(5, "HARBOUR", 5), filed(6, "Culture", 6))
    assert in_sections(*articles) == [
        (1, "Town"),
        (3, "Sport"),
        (4, "On the water"),
        (2, "On the water"),
        (6, "Culture"),
    ]
    water = SectionRule(title="On the water", categories=("harbour", "Boats"), limit=2)
    assert rules(choose(*articles, sections=(water,)))[5] == "over the limit of 2 articles in “On the water”"


def test_an_edition_looks_back_no_further_than_its_window() -> None:
    choice = choose(filed(1, "Town", 23), filed(2, "Town", 25), window=timedelta(hours=24))
    assert rules(choice) == {
        1: "new since the last edition",
        2: "before the 24 hours that an edition looks back over",
    }


def test_new_articles_are_in_newest_first() -> None:
    choice = choose(
        article("Older", id=1, published_at=NOW - timedelta(hours=5)),
        article("Newer", id=2, published_at=NOW - timedelta(hours=1)),
    )

    assert [item.article for item in choice.items] == [2, 1]
    assert [item.position for item in choice.items] == [0, 1]
    assert rules(choice) == {1: "new since the last edition", 2: "new since the last edition"}
    assert all(d.included and d.output == "newsletter:daily" and d.at == NOW for d in choice.decisions)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"state": ArticleState.HELD}, "not live: held"),
        ({"state": ArticleState.RETRACTED}, "not live: retracted"),
        ({"mail": MailPermission.EXCLUDED}, "excluded from mail"),
        ({"categories": ("Sport",)}, "category is not harbour"),
        ({"published_at": NOW - timedelta(days=3, seconds=1)}, "older than 3 days"),
        ({"id": 7}, "already sent in The Harbour Gazette Daily (revisions 1, 2)"),
    ],
)
def test_an_article_that_is_out_has_its_reason(changes: dict[str, object], rule: str) -> None:
    one = article("The swing bridge reopens", **{"id": 1, **changes})

    choice = choose(one, sent={7: frozenset({2, 1})}, selection=Selection(categories=("harbour",)))

    assert choice.items == ()
    assert rules(choice) == {one.id: rule}
    assert not choice.decisions[0].included


def test_an_article_as_old_as_allowed_is_news_and_an_undated_one_goes_by_when_it_was_first_seen() -> None:
    assert choose(article(id=1, published_at=NOW - timedelta(days=3))).skip == ""
    assert rules(choose(article(id=1), maximum_age=timedelta(hours=2)))[1] == "older than 2 hours"


def test_what_is_over_the_limit_waits_for_another_day() -> None:
    articles = [article(f"Story {n}", id=n, published_at=NOW - timedelta(hours=n)) for n in (1, 2, 3)]

    choice = choose(*articles, maximum_items=2)

    assert {item.article for item in choice.items} == {1, 2}
    assert rules(choice)[3] == "over the limit of 2 articles"


def test_nothing_new_is_a_reason_to_skip() -> None:
    assert choose().skip == "nothing new"
    assert choose(article(id=1), sent={1: frozenset({1})}).skip == "nothing new"


def test_too_few_articles_wait_for_the_next_edition() -> None:
    choice = choose(article(id=1), minimum_items=3)

    assert choice.skip == "only 1 of at least 3 articles"
    assert choice.items == ()
    assert rules(choice)[1] == "waits for the next edition: only 1 of at least 3 articles"
    assert not choice.decisions[0].included


def test_the_newest_picture_leads_and_the_rest_follows_by_section() -> None:
    choice = choose(
        *(
            article(f"Story {n}", id=n, published_at=NOW - timedelta(hours=n), categories=section, image=image)
            for n, section, image in (
                (1, ("Town", "Harbour"), None),
                (2, (), None),
                (3, ("Harbour",), PICTURE),
                (4, ("Sport",), PICTURE),
                (5, ("Town",), None),
            )
        )
    )

    assert [(item.article, item.section) for item in choice.items] == [
        (3, "Harbour"),
        (1, "Town"),
        (5, "Town"),
        (4, "Sport"),
        (2, ""),
    ]


def test_the_order_does_not_depend_on_how_the_articles_come() -> None:
    articles = [article(f"Story {n}", id=n, categories=("Town",)) for n in range(1, 6)]

    assert choose(*articles) == choose(*reversed(articles))


def test_a_choice_becomes_a_draft_or_a_skipped_edition() -> None:
    made = compose.draft(newsletter(), SLOT, choose(article(id=1)), "f" * 64, now=NOW)
    skipped = compose.draft(newsletter(), SLOT, choose(), "f" * 64, now=NOW)

    assert (made.key, made.state, made.reason) == ("daily/daily:2026-11-22", EditionState.DRAFT, "")
    assert (len(made.items), made.template_hash, made.mailer) == (1, "f" * 64, "maildir")
    assert (skipped.state, skipped.reason, skipped.items) == (EditionState.SKIPPED, "nothing new", ())


def test_an_edition_that_nobody_served_in_time_is_merged() -> None:
    merged = compose.merged(newsletter(), SLOT, now=NOW + timedelta(days=1))

    assert merged.state is EditionState.MERGED
    assert merged.reason == "more than 6 hours late: merged into the next edition"


# ---------------------------------------------------------------- rendering


def test_the_same_edition_gives_the_same_bytes() -> None:
    assert render(told()) == render(tuple(reversed(told())))


def test_the_subject_leads_with_the_story() -> None:
    assert render(told()).subject == "Ferry returns to Kilmarnagh after forty years, and 5 more stories"
    assert render(told(2)).subject == "Ferry returns to Kilmarnagh after forty years, and 1 more story"
    assert render(told(1)).subject == "Ferry returns to Kilmarnagh after forty years"
    assert render((article("Will it rain?", id=1), article("Maybe", id=0))).subject == "Will it rain? And 1 more story"


def test_a_subject_is_one_line_of_bounded_length() -> None:
    for number in (1, 3):
        wild = [article("Ferry\r\nBcc: everybody@mail.example " + "and on " * 80, id=n + 1) for n in range(number)]
        subject = render(wild).subject
        assert len(subject) <= 90
        assert "\n" not in subject
        assert "\r" not in subject


def test_an_article_that_can_be_read_nowhere_else_is_told_in_the_mail() -> None:
    made = render(told(web=False))

    assert "the county will keep it going all year." in made.html
    assert "brown soda, please.”" in made.html
    assert "Orla Keane has covered the harbour since 2019." in made.html
    assert made.html.count("<a ") == made.html.count('href="https://') + made.html.count(message.UNSUBSCRIBE_URL)


def test_an_article_on_the_site_is_linked_and_told_shortly() -> None:
    made = render(told())

    assert 'href="https://harbour-gazette.example/library-stays-open-on-sundays"' in made.html
    assert "Read the full story" in made.html
    assert "More than three hundred people" not in made.html


def test_a_story_cut_short_without_a_link_says_that_there_is_more() -> None:
    endless = "".join(f"<p>Paragraph {number} goes on for a while, as they do.</p>" for number in range(400))

    made = render([article(id=1, canonical_url="", content_html=endless)])

    assert "as they do. …" in made.text
    assert "Paragraph 399" not in made.text


def test_an_excerpt_that_the_source_cut_from_the_text_is_not_told_twice() -> None:
    text = "The rope was thrown at one minute to seven, and for a moment nobody said anything at all."

    made = render([article(id=1, standfirst=f"{text[:60]} […]", content_html=f"<p>{text}</p>")])

    assert made.text.count("The rope was thrown") == 1


def test_article_text_is_never_markup() -> None:
    hostile = '"><script>alert(1)</script>'
    one = article(
        f"Title {hostile}",
        id=1,
        standfirst=f"Standfirst {hostile}",
        categories=(hostile,),
        canonical_url='https://harbour-gazette.example/"onmouseover="alert(1)',
        content_html="<p>&lt;script&gt;alert(2)&lt;/script&gt;</p>",
        image=replace(PICTURE, alt=f"Alt {hostile}", credit=hostile, url='https://mail.example/"onerror="alert(1)'),
    )

    made = render([one, replace(one, id=2)]).html

    assert "<script" not in made
    assert '"onmouseover' not in made
    assert '"onerror' not in made


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//mail.example", "ferry"])
def test_only_web_addresses_become_links_and_pictures(url: str) -> None:
    made = render([article(id=1, canonical_url=url, image=Image(url=url))])

    assert url not in made.html.replace("//harbour", "")
    assert "<img" not in made.html
    assert url not in made.text.split()


def test_the_sites_page_of_choices_is_linked_where_there_is_one() -> None:
    without, url = render([article(id=1)]), "https://harbour-gazette.example/newsletters"
    made = render([article(id=1)], newsletter(preferences_url=url))

    assert f'<a href="{url}"' in made.html
    assert f"Preferences:\n{url}\n" in made.text
    assert "Preferences" not in without.html + without.text


def test_an_article_cannot_hold_the_place_of_the_unsubscribe_link() -> None:
    word = message.UNSUBSCRIBE_URL
    plain = render([article("Ferry", id=1), article("Bridge", id=2)])
    sneaky = render(
        [
            article(
                f"Ferry {word}",
                id=number,
                standfirst=word,
                canonical_url=f"https://{word}/",
                content_html=f"<p>{word}</p>",
                categories=(word,),
            )
            for number in (1, 2)
        ]
    )

    assert word not in sneaky.subject
    assert sneaky.html.count(word) == plain.html.count(word)
    assert sneaky.text.count(word) == plain.text.count(word)


@pytest.mark.parametrize("words", ["Many words about the harbour. ", "كلمات كثيرة عن الميناء والبحر. ", "<&'\" "])
@pytest.mark.parametrize("url", ["", "https://harbour-gazette.example/story"])
def test_thirty_long_articles_stay_below_what_gmail_shows(words: str, url: str) -> None:
    text = words.replace("&", "&amp;").replace("<", "&lt;") * 30
    long = [
        article(
            words * 20,
            id=number,
            canonical_url=url,
            standfirst=words * 40,
            content_html=f"<p>{text}</p>" * 40,
            categories=(f"Section {number}",),
        )
        for number in range(1, 31)
    ]

    made = render(long)

    assert len(made.html.encode()) < 102_000
    assert made.html.count("<h3") == 29


def test_an_edition_of_many_long_standfirsts_is_told_down_to_its_headlines() -> None:
    many = [
        article(
            f"Story number {id} of a busy day",
            id=id,
            standfirst="The council heard it all and decided nothing. " * 9,
            canonical_url=f"https://gazette.example/{id}",
        )
        for id in range(1, 61)
    ]
    made = render(many, newsletter(maximum_items=200))
    assert len(made.html.encode()) < 102_000
    assert all(f"Story number {id} of a busy day" in made.html for id in range(1, 61))
    assert "decided nothing" not in made.html


def test_an_editors_words_replace_the_articles_in_mail() -> None:
    item = Item(article=1, revision=1, position=0, overrides={"title": "All aboard"}, label=Label.CORRECTION)

    made = render(told(1), items=[item])

    assert made.subject == "Correction: All aboard"
    assert "Ferry returns" not in made.html
    assert "CORRECTION\nAll aboard" in made.text


def test_a_template_without_an_unsubscribe_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "digest" / "daily").mkdir(parents=True)
    (tmp_path / "digest" / "daily" / "body.txt").write_text("{{ lead.title }}")

    with pytest.raises(TemplateError, match=r"digest/daily/body\.txt: it has no unsubscribe link"):
        render(told(), None, tmp_path)


def test_the_date_is_the_newsletters_own() -> None:
    assert "Sunday 22 November 2026" in render(told(), newsletter(language="en-IE")).text
    assert "Sonntag, 22. November 2026" in render(told(), newsletter(language="de")).text
    assert "Saturday, November 21, 2026" in render(told(), newsletter(timezone="Pacific/Pago_Pago")).text


# ---------------------------------------------------------------- variants


def test_a_variant_is_known_by_what_it_shows() -> None:
    daily, articles = newsletter(), told()
    items = compose.choose(daily, articles, {}, now=NOW).items
    made = render(articles)
    one = compose.variant(daily, items, made)
    relabelled = (*items[:-1], replace(items[-1], label=Label.UPDATED))

    assert (one.language, one.template, one.items, one.rendered) == ("en", "digest/daily", items, made)
    assert one == compose.variant(daily, items, made)
    assert one.key != compose.variant(daily, items[::-1], made).key
    assert one.key != compose.variant(daily, relabelled, made).key
    assert one.key != compose.variant(daily, items, made, language="de").key
    assert one.content_hash != compose.variant(daily, items, replace(made, text="Other")).content_hash
