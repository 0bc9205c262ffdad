"""Templates: found in several folders, kept in their sandbox, and honest about their mistakes."""

from __future__ import annotations

import tracemalloc
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


DOUBLING = "{% set a = namespace(x='word') %}{% for n in range(60) %}%s{% endfor %}{{ a.x | length }}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(9) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro twice(n) %}{% if n %}{{ twice(n - 1) }}{{ twice(n - 1) }}{% endif %}{% endmacro %}{{ twice(60) }}",
        "{% for a in range(999) recursive %}{% if loop.depth < 5 %}{{ loop(range(999)) }}{% endif %}{% endfor %}",
    ],
)
def test_a_template_that_would_never_end_is_stopped(tmp_path: Path, source: str) -> None:
    with pytest.raises(TemplateError, match="longer than 1 s; make its loops shorter"):
        show(tmp_path, source)


@pytest.mark.parametrize(
    "source",
    [
        DOUBLING.replace("%s", "{% set a.x = a.x ~ a.x %}"),
        DOUBLING.replace("%s", "{% set a.x = a.x + a.x %}"),
        DOUBLING.replace("%s", "{% set a.x %}{{ a.x }}{{ a.x }}{% endset %}"),
        DOUBLING.replace("%s", "{% set a.x = [a.x, a.x] | join %}"),
        DOUBLING.replace("%s", "{% set a.x = a.x.replace('w', a.x) %}"),
        DOUBLING.replace("%s", "{% set a.x = a.x | replace('w', a.x) %}"),
        DOUBLING.replace("%s", "{% set a.x = a.x.join(a.x) %}"),
        DOUBLING.replace("'word'", "[1]").replace("%s", "{% set a.x = a.x + a.x %}"),
        DOUBLING.replace("'word'", "2").replace("%s", "{% set a.x = a.x * a.x %}"),
        "{% set long = 'x' * 1999999 %}{{ range(999) | map('replace', '1', long) | list | length }}",
        "{% set x %}{% for a in range(999) %}{% for b in range(999) %}"
        + "long " * 20
        + "{% endfor %}{% endfor %}{% endset %}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '%*d' | format(999999999, 1) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:{}}'.format(1, 999999999) }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ 'x'.zfill(width=999999999) }}",
        "{{ 'x' | center(999999999) }}",
        "{{ 'x\ny' | indent(999999999) }}",
        "{{ [1] | batch(999999999, 'x') | list | length }}",
        "{{ 1.5 | round(999999999, 'ceil') }}",
    ],
)
def test_a_template_cannot_fill_the_memory(tmp_path: Path, source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            show(tmp_path, source)
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


def test_what_one_template_used_up_is_no_loss_to_the_next(tmp_path: Path) -> None:
    heavy = "{% for a in range(900) %}{% for b in range(100) %}{% endfor %}{% endfor %}done"

    assert [show(tmp_path, heavy) for _ in range(3)] == ["done"] * 3


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
        "{{ story | map(attribute='__class__') | list }}",
        "{{ ([story] | groupby('__class__') | first).grouper }}",
        "{{ [story] | sort(attribute='__class__.__name__') }}",
        "{{ ('{0.__class__.__mro__}' | format(story)) ~ story.__reduce__ }}",
        "{{ '{x.__class__}'.format_map({'x': story}) }}",
        "{{ shout.__globals__ }}",
        "{{ _.__globals__ }}",
        "{{ gettext.__wrapped__ }}",
        "{{ ngettext.__code__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__.__globals__ }}",
        "{% macro m() %}{% endmacro %}{{ m.__init__ }}",
        "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterable.gi_frame.f_globals }}{% endfor %}",
        "{{ ([1] | map('upper')).gi_frame }}",
        "{{ namespace(a=1).__class__ }}",
        "{{ joiner }}",
        "{{ environment.loader }}",
        "{{ story | attr('__dict__') }}",
        "{% set words.a = 2 %}",
        "{% set story.title = 'x' %}",
        "{% import 'os' as os %}",
        "{% extends '/etc/passwd' %}",
        "{% include 'locales/../../secret.txt' %}",
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


def test_times_and_numbers_are_the_readers_own(tmp_path: Path) -> None:
    at = datetime(2026, 11, 22, 17, 5, tzinfo=UTC)
    source = "{{ at | time('Europe/Vienna') }} {{ 1234567 | number }}"

    assert show(tmp_path, source, language="de", at=at) == "18:05 1.234.567"
    assert show(tmp_path, source, language="en-US", at=at) == "6:05\u202fPM 1,234,567"


CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\nPlural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Read on"
msgstr "{read}"

msgid "%(num)s story by %(who)s"
msgid_plural "%(num)s stories by %(who)s"
msgstr[0] "eine Meldung von %(who)s"
msgstr[1] "%(num)s Meldungen von %(who)s"
"""


def test_words_are_the_readers_own_and_a_site_changes_one_of_them(tmp_path: Path) -> None:
    packaged = folder(
        tmp_path / "packaged",
        {
            "page.html": "{{ _('Read on') }}, "
            "{{ ngettext('%(num)s story by %(who)s', '%(num)s stories by %(who)s', n, who=who) }}",
            "locales/de.po": CATALOGUE.replace("{read}", "Weiterlesen"),
        },
    )
    own = tmp_path / "own"
    templates = TemplateFolders([own, packaged])
    before = templates.fingerprint("digest/daily")

    def page(language: str, n: int) -> str:
        return templates.render("page.html", {"n": n, "who": "<Tom>"}, language=language)

    assert page("en", 1) == "Read on, 1 story by &lt;Tom&gt;"
    assert page("de", 1) == "Weiterlesen, eine Meldung von &lt;Tom&gt;"
    assert page("de-AT", 3) == "Weiterlesen, 3 Meldungen von &lt;Tom&gt;"
    assert page("xx", 3) == "Read on, 3 stories by &lt;Tom&gt;"

    folder(own, {"locales/de-AT.po": CATALOGUE.replace("{read}", "Mehr").split('\nmsgid "%(num)s')[0]})

    assert page("de-AT", 3) == "Mehr, 3 Meldungen von &lt;Tom&gt;"
    assert page("de", 3) == "Weiterlesen, 3 Meldungen von &lt;Tom&gt;"
    assert templates.fingerprint("digest/daily") != before


def test_a_catalogue_that_is_none_says_so(tmp_path: Path) -> None:
    folder(tmp_path, {"locales/de.po": "Weiterlesen, bitte"})

    with pytest.raises(TemplateError, match=r"page\.html, line 2: .*locales/de\.po is no gettext catalogue"):
        show(tmp_path, "\n{{ _('Read on') }}", language="de")


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


def test_templates_that_nobody_changes_are_read_once(tmp_path: Path) -> None:
    own = folder(tmp_path, {"page.html": "before"})
    kept, watched = TemplateFolders([own], changing=False), TemplateFolders([own])
    assert (kept.render("page.html", {}), watched.render("page.html", {})) == ("before", "before")
    (own / "page.html").write_text("afterwards")
    assert (kept.render("page.html", {}), watched.render("page.html", {})) == ("before", "afterwards")


def test_a_text_is_wrapped_alike_however_often_and_however_long_it_is(tmp_path: Path) -> None:
    templates = TemplateFolders([folder(tmp_path, {"page.txt": "{{ text | wrap(9, '> ') }}/{{ text | wrap }}"})])
    for text in ("one two three", "one two three", "one two three " * 400, "one two three " * 400):
        assert (
            templates.render("page.txt", {"text": text}) == f"{templating.wrap(text, 9, '> ')}/{templating.wrap(text)}"
        )
