"""Templates: found in several folders, kept in their sandbox, and honest about their mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from publisher.errors import TemplateError
from publisher.kit import templating
from publisher.kit.templating import TemplateFolders


@dataclass(frozen=True, slots=True)
class Story:
    title: str


def folder(path: Path, files: Mapping[str, str]) -> Path:
    for name, source in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(source)
    return path


def show(tmp_path: Path, source: str, name: str = "page.html", language: str = "en", **values: Any) -> str:
    return TemplateFolders([folder(tmp_path, {name: source})]).render(name, values, language=language)


# ---------------------------------------------------------------- folders


def test_the_first_folder_that_has_a_template_wins(tmp_path: Path) -> None:
    own = folder(tmp_path / "own", {"page.html": "ours {% include 'part.html' %}"})
    packaged = folder(tmp_path / "packaged", {"page.html": "theirs", "part.html": "part", "other.html": "other"})

    templates = TemplateFolders([own, packaged])

    assert templates.render("page.html", {}) == "ours part"
    assert templates.render("other.html", {}) == "other"


def test_a_site_replaces_one_part_of_a_packaged_page(tmp_path: Path) -> None:
    packaged = folder(
        tmp_path / "packaged",
        {
            "base.html": "<{% block it %}{% endblock %}>",
            "page.html": "{% extends 'base.html' %}{% block it %}x{% endblock %}",
        },
    )
    own = folder(tmp_path / "own", {"base.html": "[{% block it %}{% endblock %}]"})

    assert TemplateFolders([own, packaged]).render("page.html", {}) == "[x]"


def test_only_html_escapes(tmp_path: Path) -> None:
    assert show(tmp_path, "{{ title }}", title='<b> & "') == "&lt;b&gt; &amp; &#34;"
    assert show(tmp_path, "{{ title }}", "body.txt", title='<b> & "') == '<b> & "'


def test_a_changed_template_is_seen_at_once(tmp_path: Path) -> None:
    templates = TemplateFolders([folder(tmp_path, {"page.html": "before"})])
    templates.render("page.html", {})
    folder(tmp_path, {"page.html": "and afterwards"})

    assert templates.render("page.html", {}) == "and afterwards"


def test_the_fingerprint_follows_every_source_that_matters(tmp_path: Path) -> None:
    packaged = folder(
        tmp_path / "packaged",
        {
            "digest/daily/body.html": "{% extends 'mail/base.html' %}",
            "mail/base.html": "base",
            "digest/weekly/body.html": "weekly",
        },
    )
    own = tmp_path / "own"
    templates = TemplateFolders([own, packaged])
    seen = [templates.fingerprint("digest/daily")]

    folder(packaged, {"digest/weekly/body.html": "changed"})
    assert templates.fingerprint("digest/daily") == seen[0]

    for changed in ({"mail/base.html": "other base"}, {"digest/daily/subject.txt": "{% broken"}):
        folder(own, changed)
        seen.append(templates.fingerprint("digest/daily"))
    (own / "digest/daily/subject.txt").write_bytes(b"\xff{%")
    seen.append(templates.fingerprint("digest/daily"))
    assert len(set(seen)) == 4


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("{{ title }}\n{% if %}", 2, "Expected an expression"),
        ("fine\n\n{{ titel }}", 3, "'titel' is undefined"),
        ("fine\n{{ story.titel }}", 2, "Story has no attribute 'titel'"),
        ("{{ story.title | shout }}", 1, "No filter named 'shout'"),
        ("\n{{ 1 / 0 }}", 2, "division by zero"),
        ("\n{{ story.title + 1 }}", 2, "can only concatenate str"),
        ("\n{% include 'missing.html' %}", 2, "there is no template missing.html in "),
        ("\n{{ story.title.upper }}", 2, "upper is a function; call it with ()"),
        ("\n{% for n in range(1001) %}{% endfor %}", 2, "at most 1,000 steps"),
        ("\n{{ 'ab' * 1000001 }}", 2, "this repetition is too long"),
        ("\n{{ 2 ** 1000000 }}", 2, "this power is too large"),
        ("{% include 'page.html' %}", 1, "it includes itself without end"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, source: str, line: int, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        show(tmp_path, source, title="Ferry", story=Story(title="Ferry"))

    assert caught.value.line == line
    assert str(caught.value).startswith(f"{tmp_path / 'page.html'}, line {line}: ")
    assert words in str(caught.value)


def test_a_mistake_in_a_part_is_named_where_it_stands(tmp_path: Path) -> None:
    own = folder(tmp_path, {"page.html": "\n\n{% include 'part.html' %}", "part.html": "\n{{ titel }}"})

    with pytest.raises(TemplateError, match=r"part\.html, line 2: 'titel' is undefined"):
        TemplateFolders([own]).render("page.html", {})


def test_a_template_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.html").write_bytes("Stra\xdfe".encode("latin-1"))
    templates = TemplateFolders([tmp_path])

    with pytest.raises(TemplateError, match=r"digest/daily/body\.html: there is no template .* in "):
        templates.render("digest/daily/body.html", {})
    with pytest.raises(TemplateError, match=r"latin\.html: it is not UTF-8"):
        templates.render("latin.html", {})


def test_output_is_bounded(tmp_path: Path) -> None:
    loop = "{% for a in range(1000) %}{% for b in range(1000) %}long{% endfor %}{% endfor %}"

    with pytest.raises(TemplateError, match="more than 2,000,000 characters"):
        show(tmp_path, loop)


# ---------------------------------------------------------------- the sandbox


@pytest.mark.parametrize(
    "source",
    [
        "{{ story.__class__ }}",
        "{{ story.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}",
        "{{ story['__class__'] }}",
        "{{ story | attr('__class__') }}",
        "{{ '{0.__class__}' .format(story) }}",
        "{{ [story] | map(attribute='__class__') | join }}",
        "{{ range.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ config }}",
        "{{ os.environ }}",
        "{{ lipsum }}",
        "{{ cycler }}",
        "{{ import_module('os') }}",
        "{% include '../secret.txt' %}",
        "{% include '/etc/hostname' %}",
        "{{ stories.append(1) }}",
        "{{ words.update({'a': 1}) }}",
    ],
)
def test_there_is_no_way_out(tmp_path: Path, source: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    stories, words = [1], {"a": 0}

    with pytest.raises(TemplateError):
        show(tmp_path / "templates", source, story=Story(title="Ferry"), stories=stories, words=words)

    assert (stories, words) == ([1], {"a": 0})


def test_a_word_may_be_called_like_a_method(tmp_path: Path) -> None:
    assert show(tmp_path, "{{ words.copy }} {{ words.items }}", words={"copy": "Copy", "items": "All"}) == "Copy All"


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("language", "filter", "shown"),
    [
        ("en-IE", "date", "Sunday 22 November 2026"),
        ("de", "date", "Sonntag, 22. November 2026"),
        ("xx-nowhere", "date('short')", "11/22/26"),
        ("", "date('medium')", "Nov 22, 2026"),
        ("en", "date('y/MM/dd')", "2026/11/22"),
        ("en", "date('long')", "November 22, 2026"),
    ],
)
def test_a_day_is_shown_in_the_readers_language(tmp_path: Path, language: str, filter: str, shown: str) -> None:
    assert show(tmp_path, "{{ day | " + filter + " }}", language=language, day=date(2026, 11, 22)) == shown


def test_an_instant_is_shown_in_its_time_zone(tmp_path: Path) -> None:
    late = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)

    assert show(tmp_path, "{{ at | date('d MMMM, HH:mm') }}", at=late) == "1 July, 23:30"
    assert show(tmp_path, "{{ at | date('d MMMM, HH:mm') }}", at=late, timezone="Europe/Dublin") == "2 July, 00:30"
    assert show(tmp_path, "{{ at | date('d MMMM, HH:mm', 'Asia/Tokyo') }}", at=late) == "2 July, 08:30"
    assert show(tmp_path, "{{ at | date('long', 'Asia/Tokyo') }}", at=late) == "July 2, 2026"


def test_text_and_names_and_direction(tmp_path: Path) -> None:
    assert show(tmp_path, "{{ body | text }}", "a.txt", body="<p>One</p><p>Two</p>") == "One\n\nTwo"
    assert show(tmp_path, "{{ who | names }}", who=["Orla Keane", "Tom Daly"]) == "Orla Keane and Tom Daly"
    assert show(tmp_path, "{{ who | names }}", language="de", who=["Orla", "Tom"]) == "Orla und Tom"
    assert show(tmp_path, "{{ language }} {{ direction }} {{ 'en' | direction }}", language="ar") == "ar rtl ltr"


def test_wrapping_keeps_paragraphs_and_addresses_whole() -> None:
    address = "https://harbour-gazette.example/" + "long-" * 20

    lines = templating.wrap(f"{'word ' * 40}\n\nA well-known {address}").splitlines()

    assert address in lines
    assert "" in lines
    assert all(len(line) <= 72 or line == address for line in lines)
    assert templating.wrap("one two", 5, "> ") == "> one\n> two"


# ---------------------------------------------------------------- mail


def test_styles_are_written_onto_elements_and_the_rest_stays() -> None:
    document = (
        "<html><head><style>.ink { color: #111111 } @media (max-width: 480px) { .ink { color: red } }</style>"
        '<style data-css-inline="ignore">[data-ogsc] .ink { color: #eeeeee !important }</style></head>'
        '<body><!--[if mso]><table><tr><td><![endif]--><p class="ink">Ferry</p></body></html>'
    )

    made = templating.inline_css(document)

    assert '<p class="ink" style="color: #111111;">Ferry</p>' in made
    assert "@media (max-width: 480px)" in made
    assert "[data-ogsc] .ink { color: #eeeeee !important }" in made
    assert "data-css-inline" not in made
    assert "<!--[if mso]><table><tr><td><![endif]-->" in made


def test_no_stylesheet_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "own.css").write_text("p { color: red }")

    made = templating.inline_css(f'<link rel="stylesheet" href="{tmp_path}/own.css"><p>Ferry</p>')

    assert "red" not in made


def test_an_attribute_holds_no_brackets() -> None:
    made = templating.inline_css('<p title="a &lt;b&gt; &quot;c&quot;">1 &lt; 2, x="y"</p>')

    assert '<p title="a &lt;b&gt; &quot;c&quot;">1 &lt; 2, x="y"</p>' in made
