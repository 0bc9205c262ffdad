"""One message for each reader: what they follow, what they have not got, and what they are owed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from publisher import deliver, editions, pipeline, preflight
from publisher.errors import PreflightError
from publisher.model import (
    Author,
    Candidate,
    EditionState,
    Slot,
    Variant,
)
from publisher.store.tables import batch as batches
from publisher.store.tables import subscriber
from tests.people import NOW
from tests.pipeline.world import World
from tests.sites import run_due

#: Says almost nothing that `story` says.
NEW_TEXT = "".join(
    f"<p>{who} now tells of the second enquiry, its papers and letters, and of all that came out on day {n}.</p>"
    for n, who in enumerate(("Orla", "Padraig", "Ronan", "Sorcha", "Tadhg", "Una"))
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.app.close()


# ---------------------------------------------------------------- topics


def test_each_reader_gets_one_message_with_what_they_follow(world: World) -> None:
    world.readers(
        all="",
        sport="category:sport",
        both="category:Sport;tag:ferries",
        dara="author:dara",
        wire="source:wire",
        nothing="category:Chess",
    )
    world.publish("Regatta", categories=("Sport",), tags=("ferries",))
    world.publish("Ferry late", tags=("ferries",), authors=(Author(name="Dara"),))
    world.publish("Market day", source="wire")

    assert world.daily() == {
        "all": ["Market day", "Ferry late", "Regatta"],
        "both": ["Ferry late", "Regatta"],
        "dara": ["Ferry late"],
        "sport": ["Regatta"],
        "wire": ["Market day"],
    }
    assert world.excluded("daily:2026-11-22") == {"nothing new in their topics": 1}


def test_readers_of_different_topics_who_get_the_same_share_one_rendering(world: World) -> None:
    world.readers(a="category:sport", b="tag:ferries", c="category:sport;tag:ferries", d="source:newsroom", e="")
    world.publish("Regatta", categories=("Sport",), tags=("ferries",))

    assert set(world.daily()) == set("abcde")
    assert len(world.variants("daily:2026-11-22")) == 1


def test_a_story_that_two_sources_tell_reaches_followers_of_either_once(world: World) -> None:
    world.readers(wire="source:wire", newsroom="source:newsroom", all="")
    world.publish("Storm")
    world.newsroom.window("wire", replace(world.stories["Storm"], native_id="w1", title="Storm, by the wire"))
    world.stories["Storm, by the wire"] = world.stories["Storm"]
    pipeline.collect(world.app.parts, "wire")

    assert world.daily() == {"all": ["Storm"], "newsroom": ["Storm"], "wire": ["Storm"]}


def test_words_around_the_stories_are_in_the_readers_language(world: World) -> None:
    world.readers(ann="", jean="")
    store = world.app.parts.store
    jean = store.audience.by_email("jean@reader.example")
    assert jean
    with store._access.write() as connection:  # type: ignore[attr-defined]
        connection.execute(sa.update(subscriber).where(subscriber.c.id == jean.id).values(language="FR-ca"))
    world.publish("Storm")
    world.daily()

    assert sorted(variant.language for variant in world.variants("daily:2026-11-22")) == ["en", "fr"]


def test_who_follows_little_has_room_for_what_is_over_the_limit_of_all(tmp_path: Path) -> None:
    world = World(tmp_path, maximum_items=2)
    world.readers(all="", chess="category:Chess")
    world.publish("Old chess", "Older chess", categories=("Chess",))
    world.clock.move(minutes=1)
    world.publish("Storm", "Flood")

    first = world.daily()
    assert (first["chess"], sorted(first["all"])) == (["Older chess", "Old chess"], ["Flood", "Storm"])
    second = world.daily()
    assert sorted(second["all"]) == ["Old chess", "Older chess"], "what was over the limit waits for another day"
    assert "chess" not in second, "and is sent to nobody twice"


# ---------------------------------------------------------------- memory


def test_who_had_the_alert_is_not_sent_it_again_and_everybody_else_is(world: World) -> None:
    world.readers(
        all="", sport="category:sport", quiet={"alerts": False}, news="category:news", none={"topics": ("tag:x",)}
    )
    world.publish("Regatta", categories=("Sport",))
    world.edition("alert:1:1")
    assert world.mail() == {"all": ["Regatta"], "sport": ["Regatta"]}

    world.publish("Storm")
    assert world.daily() == {"all": ["Storm"], "news": ["Storm"], "quiet": ["Storm", "Regatta"]}
    assert world.excluded("daily:2026-11-22") == {"has got all of it already": 1, "nothing new in their topics": 1}
    assert world.daily() == {}


def test_who_changes_from_daily_to_weekly_gets_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path, cadences=("daily", "weekly"), maximum_age=timedelta(days=8))
    world.readers(day="", week={"cadence": "weekly"}, moves="")
    world.publish("Storm")
    assert world.daily() == {"day": ["Storm"], "moves": ["Storm"]}
    world.readers(moves={"cadence": "weekly"})
    world.publish("Flood")
    assert world.daily() == {"day": ["Flood"]}
    world.edition("weekly:2026-W47")
    assert world.mail() == {"moves": ["Flood"], "week": ["Flood", "Storm"]}


def test_a_story_that_changed_substantially_comes_back_as_updated_and_only_once(world: World) -> None:
    world.readers(ann="")
    world.publish("Enquiry", "Storm")
    assert world.daily() == {"ann": ["Storm", "Enquiry"]}
    world.readers(late="")
    world.publish("Storm", content_html=world.stories["Storm"].content_html + "<p>A word.</p>")
    world.publish("Enquiry", content_html=NEW_TEXT)
    world.publish("Flood")
    assert world.daily() == {"ann": ["Flood", "updated: Enquiry"], "late": ["Flood"]}
    headings = [(item.section, item.label.value) for item in world.variants("daily:2026-11-23")[-1].items]
    assert headings == [("News", "new"), ("News", "updated")], "in its own section"
    world.publish("Fair")
    assert world.daily() == {"ann": ["Fair"], "late": ["Fair"]}


def test_a_correction_goes_to_exactly_those_who_got_the_wrong_one(world: World) -> None:
    world.readers(ann="", sport="category:sport", sad={"topics": ("category:sport",), "alerts": False})
    world.publish("Regatta", categories=("Sport",))
    world.publish("Storm")
    world.daily()
    pipeline.correct(world.app.parts, world.article("Storm"), "It was Friday, not Thursday.")
    world.readers(new="", ann="category:Chess")  # whatever they follow by now

    assert world.daily() == {"ann": ["correction: Storm"]}, "and not because there is other news"
    world.publish("Flood")
    assert world.daily() == {"new": ["Flood"]}


def test_what_was_corrected_between_the_alert_and_the_digest_is_news_to_some_and_a_correction_to_others(
    world: World,
) -> None:
    world.readers(ann="", quiet={"alerts": False})
    world.publish("Storm")
    world.edition("alert:1:1")
    world.mail()
    pipeline.correct(world.app.parts, world.article("Storm"), "It was Friday, not Thursday.")

    assert world.daily() == {"ann": ["correction: Storm"], "quiet": ["Storm"]}
    assert world.daily() == {}


def test_a_retraction_is_told_once_to_those_who_were_sent_the_story(world: World) -> None:
    world.readers(ann="", sport="category:sport")
    world.publish("Storm")
    world.daily()
    pipeline.retract(world.app.parts, world.article("Storm"), "The photograph was not of the storm.", "Aoife")
    world.publish("Regatta", categories=("Sport",))

    assert world.daily() == {"ann": ["Regatta", "retraction: Storm"], "sport": ["Regatta"]}
    (told,) = [one for one in world.variants("daily:2026-11-23") if len(one.items) == 2]
    assert "The photograph was not of the storm." in told.rendered.text
    assert "CORRECTIONS" in told.rendered.text
    assert "what Niamh said" not in told.rendered.text.partition("RETRACTION")[2], "what was wrong is not told again"
    assert world.daily() == {}


def test_who_was_not_reached_is_not_remembered(world: World) -> None:
    world.readers(ann="", ben="")
    world.publish("Storm")
    world.edition("alert:1:1")
    world.mail()
    (batch,) = world.app.parts.store.outbox.batches(world.app.parts.store.editions.get("daily/alert:1:1").id)
    with world.app.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        connection.execute(sa.update(batches).where(batches.c.id == batch.id).values(rejected=b"\x01", rejected_n=1))

    assert world.daily() == {"ann": ["Storm"]}


def test_many_readers_with_many_histories_each_get_what_a_computation_for_them_alone_says(
    tmp_path: Path, store_url: str
) -> None:
    """Sixty readers of five topics, an alert to some, a digest, then a correction, a retraction and an update: the next
    digest is held against what each had in their mailbox."""
    world, chance = World(tmp_path / "site", store=store_url, maximum_items=4), random.Random(5)
    topics = ("Sport", "Harbour", "Schools", "Courts", "Letters")
    choices = {
        f"r{n}": {
            "topics": tuple(f"category:{topic}" for topic in chance.sample(topics, chance.randint(0, 2))),
            "alerts": chance.random() < 0.5,
        }
        for n in range(60)
    }
    world.readers(**choices)
    about = {f"Story {n:02}": topics[n % len(topics)] for n in range(18)}

    def publish(*numbers: int) -> None:
        for n in numbers:
            world.publish(f"Story {n:02}", categories=(about[f"Story {n:02}"],))
            world.clock.move(minutes=1)

    had: dict[str, set[str]] = {name: set() for name in choices}

    def keep(mail: Mapping[str, list[str]]) -> None:
        for name, told in mail.items():
            assert not had[name].intersection(told), f"{name} had one of {told} before"
            had[name].update(told)

    publish(0)
    world.edition("alert:1:1")
    keep(world.mail())
    publish(*range(1, 9))
    keep(world.daily())
    publish(*range(9, 18))
    pipeline.correct(world.app.parts, world.article("Story 08"), "It was Friday.")
    pipeline.retract(world.app.parts, world.article("Story 07"), "It was not so.", "Aoife")
    world.publish("Story 00", categories=(about["Story 00"],), content_html=NEW_TEXT)
    carried = {title for told in had.values() for title in told} - {"Story 00"}
    got = world.daily()

    over = [f"Story {n:02}" for n in range(4, 0, -1)]  # left over from the day before: there was room for four
    news = [f"Story {n:02}" for n in range(17, 8, -1)] + over
    assert carried >= {f"Story {n:02}" for n in range(5, 9)}
    for name, choice in choices.items():
        followed = {topic.partition(":")[2] for topic in choice["topics"]} or set(topics)
        wanted = [title for title in news if about[title] in followed and title not in had[name]]
        if "Story 00" in had[name]:
            wanted += ["updated: Story 00"] if about["Story 00"] in followed else []
        elif about["Story 00"] in followed:
            wanted += ["Story 00"]
        due = {"correction: Story 08"} & {f"correction: {title}" for title in had[name]}
        due |= {"retraction: Story 07"} & {f"retraction: {title}" for title in had[name]}
        assert set(got.get(name, [])) == {*wanted[:4], *due}, (name, choice, had[name])
    world.app.close()


# ---------------------------------------------------------------- planning


def test_two_editions_that_are_planned_at_once_send_nobody_the_same_story(world: World) -> None:
    """While the daily is being chosen for, an alert with the same story is planned: the daily chooses again."""
    world.readers(ann="", ben="")
    world.publish("Storm")
    parts = world.app.parts
    alert, daily = (
        pipeline.compose_slot(parts, world.newsletter, Slot(name=name, due_at=NOW), by_hand=True)
        for name in ("alert:1:1", "daily:2026-11-22")
    )
    begun = editions.start(parts.store, daily.key, archived=False)
    (first,) = parts.store.editions.variants(daily.id)
    calls = 0
    with pipeline.selection(parts, begun, first) as choose:

        def disturbed(people: Sequence[Candidate]) -> Mapping[int, Variant | str]:
            nonlocal calls
            calls += 1
            answers = choose(people)
            if calls == 1:
                pipeline.plan(parts, alert.key)
            return answers

        capability = parts.mailers["maildir"].capability
        done = deliver.plan(parts.store, begun, world.newsletter, capability, disturbed)

    assert (calls, done.planned, parts.store.editions.get(alert.key).planned) == (2, 0, 2)


def test_a_variant_that_would_arrive_broken_stops_the_plan_before_anything_leaves(tmp_path: Path) -> None:
    """Only who had the alert has room for the story that is not finished."""
    world = World(tmp_path, maximum_items=1)
    world.readers(ann="", quiet={"alerts": False})
    world.publish("TK", content_html="<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>")
    world.clock.move(minutes=1)
    world.publish("Regatta")
    world.edition("alert:2:1")
    assert world.mail() == {"ann": ["Regatta"]}

    with pytest.raises(PreflightError, match="TK"):
        world.daily()
    assert world.mail() == {}
    parts, key = world.app.parts, "daily/daily:2026-11-22"
    stopped = parts.store.editions.get(key)
    assert (stopped.state, "TK" in stopped.reason) == (EditionState.PLANNING, True)
    pipeline.override(parts, key, preflight.RULES, "Aoife")
    assert not run_due(world.app)
    assert world.mail() == {"ann": ["TK"], "editor": [], "quiet": ["Regatta"]}, "the editor was told"
    assert parts.store.editions.get(key).reason == ""
    world.app.close()
