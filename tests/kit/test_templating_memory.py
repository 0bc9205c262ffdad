"""Templates that nobody changes: what their macros made is made once, and is never taken for something else."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from publisher.errors import TemplateError
from publisher.kit.templating import TemplateFolders

PARTS = {"parts.html": "{% macro told(story) %}<p>{{ story.told() }}</p>{% endmacro %}"}
PAGE = '{% import "parts.html" as parts with context %}'


@dataclass(frozen=True, slots=True)
class Story:
    title: str
    told: Callable[[], str] = str


def site(tmp_path: Path, files: Mapping[str, str], *, changing: bool = False) -> TemplateFolders:
    for name, source in files.items():
        (tmp_path / name).write_text(source)
    return TemplateFolders([tmp_path], changing=changing)


def counted(title: str) -> tuple[Story, list[str]]:
    """A story, and how often it was told."""
    times: list[str] = []

    def told() -> str:
        times.append(title)
        return f"{title} & more"

    return Story(title, told), times


def shown(templates: TemplateFolders, name: str = "page.html", language: str = "en", **values: Any) -> str:
    return templates.render(name, values, language=language)


@pytest.mark.parametrize(("changing", "times"), [(False, 1), (True, 3)])
def test_a_story_is_written_once_where_nobody_changes_templates(tmp_path: Path, changing: bool, times: int) -> None:
    templates = site(tmp_path, {**PARTS, "page.html": PAGE + "{{ number }}{{ parts.told(story) }}"}, changing=changing)
    story, told = counted("Rain")

    pages = [shown(templates, story=story, number=number) for number in range(3)]

    assert pages == [f"{number}<p>Rain &amp; more</p>" for number in range(3)]
    assert len(told) == times


def test_two_stories_that_look_the_same_from_outside_are_two(tmp_path: Path) -> None:
    templates = site(tmp_path, {**PARTS, "page.html": PAGE + "{{ parts.told(story) }}"})

    pages = [shown(templates, story=Story("Rain", told)) for told in (lambda: "before", lambda: "after")]

    assert pages == ["<p>before</p>", "<p>after</p>"]


def test_a_section_is_known_by_its_stories_in_their_order(tmp_path: Path) -> None:
    listed = "{% macro all(stories) %}{% for story in stories %}{{ story.told() }};{% endfor %}{% endmacro %}"
    templates = site(tmp_path, {"parts.txt": listed, "page.txt": PAGE.replace("html", "txt") + "{{ parts.all(some) }}"})
    (one, once), (two, _) = counted("Rain"), counted("Ferry")

    pages = [shown(templates, "page.txt", some=some) for some in ((one, two), (two, one), (one, two), (one,))]

    both = "Rain & more;Ferry & more;"
    assert pages == [both, "Ferry & more;Rain & more;", both, "Rain & more;"]
    assert len(once) == 3


def test_arguments_that_are_equal_and_not_the_same_are_told_apart(tmp_path: Path) -> None:
    parts = "{% macro say(what, where='here') %}{{ what }} {{ where }};{% endmacro %}"
    calls = "{{ parts.say(1) }}{{ parts.say(true) }}{{ parts.say(1.0) }}{{ parts.say('1') }}"
    named = "{{ parts.say('a', 'b') }}{{ parts.say('a', where='c') }}{{ parts.say(where='a', what='b') }}"
    templates = site(tmp_path, {"parts.html": parts, "page.html": PAGE + calls + named})

    assert shown(templates) == shown(templates) == "1 here;True here;1.0 here;1 here;a b;a c;b a;"


def test_what_a_part_reads_of_the_page_counts_as_well(tmp_path: Path) -> None:
    parts = "{% macro told(story) %}{{ greeting }} {{ language }} {{ 1234 | number }} {{ story.title }}{% endmacro %}"
    templates = site(tmp_path, {"parts.html": parts, "page.html": PAGE + "{{ parts.told(story) }}"})
    story = Story("Rain")

    def page(greeting: str, language: str) -> str:
        return shown(templates, language=language, greeting=greeting, story=story)

    assert page("Hello", "en") == "Hello en 1,234 Rain"
    assert page("Hallo", "de") == "Hallo de 1.234 Rain"
    assert page("Servus", "de") == "Servus de 1.234 Rain"
    assert page("Hello", "en") == "Hello en 1,234 Rain"


def test_what_parts_of_parts_read_counts_too(tmp_path: Path) -> None:
    outer = '{% import "inner.html" as inner with context %}{% macro told() %}{{ inner.told() }}{% endmacro %}'
    inner = "{% macro told() %}{% include 'least.html' %}{% endmacro %}"
    files = {"parts.html": outer, "inner.html": inner, "least.html": "{{ deep }}"}
    templates = site(tmp_path, files | {"page.html": PAGE + "{{ parts.told() }}"})

    assert [shown(templates, deep=deep) for deep in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_name_of_ours_may_be_taken_for_something_else(tmp_path: Path) -> None:
    parts = "{% macro told() %}{{ range }}{% endmacro %}"
    templates = site(tmp_path, {"parts.html": parts, "page.html": PAGE + "{{ parts.told() }}"})

    assert [shown(templates, range=far) for far in ("ten miles", "a mile")] == ["ten miles", "a mile"]


def test_a_part_in_html_and_in_plain_text_is_escaped_where_it_must_be(tmp_path: Path) -> None:
    parts = "{% macro told(title) %}{{ title }}{% endmacro %}"
    page = '{% import "parts.txt" as parts with context %}<{{ parts.told("a & b") }}>'
    templates, fresh = (
        site(tmp_path, {"parts.txt": parts, "page.txt": page, "page.html": page}, changing=changing)
        for changing in (False, True)
    )

    for name in ("page.txt", "page.html", "page.txt"):
        assert shown(templates, name) == shown(fresh, name)


@pytest.mark.parametrize(
    "parts",
    [
        "{% set n = namespace(n=0) %}{% macro told(x) %}{% set n.n = n.n + 1 %}{{ n.n }}{% endmacro %}",
        "{% set all = [1, 2] | map('string') %}{% macro told(x) %}{{ all | join }}{% endmacro %}",
        "{% set _all = [1, 2] | map('string') %}{% macro told(x) %}{{ _all | join }}{% endmacro %}",
        "{% set held = {'all': [1, 2] | map('string')} %}{% macro told(x) %}{{ held.all | join }}{% endmacro %}",
        "{% import other as more with context %}{% macro told(x) %}{{ more.told(x) }}{{ deep }}{% endmacro %}",
    ],
    ids=["counts", "runs out", "runs out hidden", "runs out within", "refers to any"],
)
def test_parts_that_keep_or_use_up_something_are_made_anew_for_every_page(tmp_path: Path, parts: str) -> None:
    other = "{% macro told(x) %}{{ deep }}{% endmacro %}"
    page = PAGE + "{{ parts.told('a') }}|{{ parts.told('a') }}|{{ parts.told('b') }}"
    templates, fresh = (
        site(tmp_path, {"parts.html": parts, "page.html": page, "other.html": other}, changing=changing)
        for changing in (False, True)
    )

    for deep in ("one", "two"):
        values = {"deep": deep, "other": "other.html"}
        assert shown(templates, **values) == shown(fresh, **values)


def test_lists_and_callers_may_say_something_else_each_time(tmp_path: Path) -> None:
    parts = "{% macro all(some) %}{{ some | join(' ') }}{% endmacro %}{% macro box() %}[{{ caller() }}]{% endmacro %}"
    page = PAGE + "{{ parts.all(some) }} {% call parts.box() %}{{ title }}{% endcall %}"
    templates = site(tmp_path, {"parts.html": parts, "page.html": page})
    some = ["a"]
    before = shown(templates, some=some, title="Rain")
    some.append("b")

    assert (before, shown(templates, some=some, title="Ferry")) == ("a [Rain]", "a b [Ferry]")


def test_a_mistake_in_a_part_is_told_every_time(tmp_path: Path) -> None:
    templates = site(
        tmp_path,
        {
            "parts.html": "\n{% macro told(story) %}{{ story.nothing }}{% endmacro %}",
            "page.html": PAGE + "{{ parts.told(story) }}",
        },
    )
    story = Story("Rain")

    for _ in range(2):
        with pytest.raises(TemplateError, match="nothing") as caught:
            shown(templates, story=story)
        assert (Path(str(caught.value.template)).name, caught.value.line) == ("parts.html", 2)


def test_only_so_much_is_remembered(tmp_path: Path) -> None:
    parts = "{% macro told(number) %}{{ number }}{{ 'é' * 100000 }}{% endmacro %}"
    templates = site(tmp_path, {"parts.html": parts, "page.html": PAGE + "{{ parts.told(number) }}"})
    tracemalloc.start()

    for number in range(300):
        assert shown(templates, number=number).startswith(f"{number}é")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 25_000_000
