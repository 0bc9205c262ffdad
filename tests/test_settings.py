"""settings.toml: every problem at once, each with its key, its value and what would be right."""

from __future__ import annotations

import tomllib
from datetime import time, timedelta
from pathlib import Path

import pytest

from publisher import settings
from publisher.errors import SettingsError

GOOD = """
[site]
name = "The Harbour Gazette"
url = "https://harbour-gazette.example"
tag_authority = "harbour-gazette.example,2026"

[[sources]]
slug = "newsroom"
kind = "folder"
path = "articles"

[[newsletters]]
slug = "daily"
name = "The Daily"
sender = "The Gazette <daily@harbour-gazette.example>"
at = "06:30"
maximum_age = "2d12h"

[[mailers]]
name = "maildir"
kind = "maildir"
"""


def problems(text: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """The problems of a file: remedy by key."""
    with pytest.raises(SettingsError) as caught:
        settings.parse(tomllib.loads(text), environment or {})
    return {problem.key: str(problem) for problem in caught.value.problems}


def test_a_good_file_is_read_with_times_and_spans() -> None:
    newsletter = settings.parse(tomllib.loads(GOOD), {}).newsletters[0]
    assert newsletter.at == time(6, 30)
    assert newsletter.maximum_age == timedelta(days=2, hours=12)


def test_the_site_of_the_repository_is_good() -> None:
    assert settings.load(Path("settings.toml"), {}).site.name == "The Harbour Gazette"


def test_every_problem_is_told_at_once_with_its_place() -> None:
    found = problems(
        GOOD.replace('"06:30"', '"25:00"').replace('kind = "folder"', 'kind = "gopher"').replace("https", "ftp")
        + 'colour = "red"\n'
    )
    assert set(found) == {"site.url", "newsletters[daily].at", "sources[newsroom].kind", "mailers[maildir].colour"}
    assert "'25:00'" in found["newsletters[daily].at"]
    assert "'07:00'" in found["newsletters[daily].at"]
    assert "'wordpress'" in found["sources[newsroom].kind"]
    assert "no such setting" in found["mailers[maildir].colour"]


@pytest.mark.parametrize(
    ("wrong", "right", "key", "said"),
    [
        ("2d12h", "three weeks", "newsletters[daily].maximum_age", "time span"),
        ("The Gazette <daily@harbour-gazette.example>", "nobody", "newsletters[daily].sender", "address"),
        ('slug = "daily"', 'slug = "The Daily"', "newsletters[The Daily].slug", "small letters"),
        ("harbour-gazette.example,2026", "2026", "site.tag_authority", "a domain you own"),
        ('path = "articles"', "", "sources[newsroom].path", "missing"),
        ('kind = "maildir"', "", "mailers[maildir].kind", "'smtp'"),
        ('at = "06:30"', 'cadence = "hourly"', "newsletters[daily].cadence", "choose one of"),
        ('at = "06:30"', 'cadence = "cron"\ncron = "every day"', "newsletters[daily].cron", "five fields"),
        ('at = "06:30"', 'cadence = "cron"', "newsletters[daily].cron", "is missing"),
        ('at = "06:30"', 'cron = "30 6 * * *"', "newsletters[daily].cron", "belongs to"),
        ('at = "06:30"', 'cadences = ["weekly", "weekly"]', "newsletters[daily].cadences", "more than once"),
        ('at = "06:30"', 'quiet = "at night"', "newsletters[daily].quiet", "'22:00-07:00'"),
        ('at = "06:30"', 'quiet = "07:00-07:00"', "newsletters[daily].quiet", "differ"),
        ('at = "06:30"', 'timezone = "readers"', "newsletters[daily].timezone", "or 'reader'"),
        (
            'at = "06:30"',
            'timezone = "reader"\ncadences = ["daily", "hourly-3"]',
            "newsletters[daily].timezone",
            "not with 'hourly-3'",
        ),
        (
            'at = "06:30"',
            'sections = [{ title = "Sport" }, { title = "Sport" }]',
            "newsletters[daily].sections",
            "more than once",
        ),
        ('at = "06:30"', 'minimum_items = "two"', "newsletters[daily].minimum_items", "a whole number"),
        ('at = "06:30"', "minimum_items = 0", "newsletters[daily].minimum_items", "1 or more"),
        ('"The Daily"', "1", "newsletters[daily].name", "in quotation marks"),
        ("[[mailers]]", "[mailers]", "mailers", "[[mailers]]"),
        ('kind = "maildir"', 'kind = "smtp"\nhost = "h"\npassword = "x"', "mailers[maildir].password", "password_env"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(wrong: str, right: str, key: str, said: str) -> None:
    assert said in problems(GOOD.replace(wrong, right))[key]


def test_names_must_agree_with_each_other() -> None:
    text = GOOD.replace('name = "maildir"', 'name = "post"')
    text += '[[feeds]]\nslug = "all"\ntitle = "All"\nselect = { sources = ["nowhere"] }\n'
    found = problems(text)
    assert "(post)" in found["newsletters[daily].mailer"]
    assert "(newsroom)" in found["feeds[all].select.sources"]


def test_a_name_used_twice_is_a_problem_also_as_a_former_name() -> None:
    text = GOOD + '[[newsletters]]\nslug = "weekly"\nwas = ["daily"]\nname = "W"\nsender = "a@b.example"\n'
    assert "more than once" in problems(text)["newsletters"]


def test_a_variable_that_is_not_set_is_named_and_one_that_is_set_never_shown() -> None:
    text = GOOD + '[[mailers]]\nname = "resend"\nkind = "resend"\nkey_env = "MAIL_KEY"\n'
    assert "set the environment variable MAIL_KEY" in problems(text)["mailers[resend].key_env"]
    good = settings.parse(tomllib.loads(text), {"MAIL_KEY": "re_very_secret"})
    assert "re_very_secret" not in repr(good)


@pytest.mark.parametrize(
    "line",
    ['password = "hunter2"', 'api_key = "hunter2"', 'base_url = "ftp://me:hunter2@example.org"'],
)
def test_a_secret_in_the_file_is_a_problem_and_is_not_repeated(line: str) -> None:
    text = GOOD + f'[[mailers]]\nname = "r"\nkind = "resend"\n{line}\n'
    assert "hunter2" not in " ".join(problems(text, {"RESEND_API_KEY": "x"}).values())


def test_a_password_in_the_address_of_the_store_is_a_problem() -> None:
    found = problems(GOOD + '[store]\nurl = "postgresql://me:hunter2@db/publisher"\n')
    assert "store.password_env" in found["store.url"]
    assert "hunter2" not in found["store.url"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[site\n", "line 1"), (b"name = \xff\n", "save it as UTF-8"), (None, "publisher init")],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        settings.load(path, {})


def test_the_address_of_a_source_is_used_as_it_stands() -> None:
    more = '[[sources]]\nslug = "web"\nkind = "syndication"\nurl = "https://harbour-gazette.example/feed/"\n'
    there = settings.parse(tomllib.loads(GOOD + more), {})
    assert there.sources[-1].model_dump()["url"] == "https://harbour-gazette.example/feed/"


@pytest.mark.parametrize("slug", ["index", "feeds", "autodiscovery"])
def test_a_feed_does_not_take_the_name_of_a_page_that_lists_all_feeds(slug: str) -> None:
    feed = f'[[feeds]]\nslug = "{slug}"\ntitle = "All"\n'
    assert f"take another, such as {slug}-news" in problems(GOOD + feed)[f"feeds[{slug}].slug"]
    pattern = feed + 'each = "category"\n'  # its feeds have longer names
    assert settings.parse(tomllib.loads(GOOD + pattern), {}).feeds[0].slug == slug
