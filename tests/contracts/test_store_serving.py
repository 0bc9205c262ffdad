"""What the store keeps of files that have ended and of what the hub was told, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from publisher.store import Database
from tests.people import feed

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)


def test_a_new_feed_is_looked_over_once_it_was_built(store: Database) -> None:
    store.feeds.sync([feed("all")], [])
    assert store.serving.untidy() == ()
    store.feeds.built("all", store.feeds.get("all").wanted, at=NOW, error="")
    assert store.serving.untidy() == ("all",)
    store.serving.tidied(["all"])
    assert store.serving.untidy() == ()


def test_a_feed_that_changed_or_is_no_more_is_looked_over_again(store: Database) -> None:
    store.feeds.sync([feed("all"), feed("boats")], [])
    for slug in ("all", "boats"):
        store.feeds.built(slug, store.feeds.get(slug).wanted, at=NOW, error="")
    store.serving.tidied(["all", "boats"])
    store.feeds.sync([feed("all", formats=("rss",))], [])
    assert store.serving.untidy() == ("all", "boats")
    assert store.serving.no_more() == {"boats"}


def test_a_file_has_ended_since_it_was_first_said(store: Database) -> None:
    store.serving.end(["boats.rss", "boats.atom"], at=NOW)
    store.serving.end(["boats.rss"], at=LATER)
    store.serving.end([], at=LATER)
    assert store.serving.ended(before=NOW) == ()
    assert store.serving.ended(before=LATER) == ("boats.atom", "boats.rss")
    store.serving.forget(["boats.rss"])
    assert store.serving.ended(before=LATER) == ("boats.atom",)


def test_the_hub_is_told_of_each_version_once(store: Database) -> None:
    store.serving.changed({"all.rss": "one"})
    assert store.serving.waiting(NOW)
    topic = store.serving.take(now=NOW, until=LATER)
    assert topic
    assert (topic.name, topic.digest, topic.tries) == ("all.rss", "one", 0)
    assert not store.serving.waiting(NOW)
    assert store.serving.take(now=NOW, until=LATER) is None
    store.serving.told(topic)
    store.serving.changed({"all.rss": "one"})
    store.serving.changed({})
    assert not store.serving.waiting(LATER)
    store.serving.changed({"all.rss": "two"})
    assert store.serving.waiting(NOW)


def test_who_is_killed_while_telling_leaves_it_to_another(store: Database) -> None:
    store.serving.changed({"all.rss": "one"})
    store.serving.take(now=NOW, until=LATER)
    assert store.serving.waiting(LATER)
    assert store.serving.take(now=LATER, until=LATER + timedelta(minutes=2))


def test_what_changed_while_the_hub_was_told_is_told_too(store: Database) -> None:
    store.serving.changed({"all.rss": "one"})
    topic = store.serving.take(now=NOW, until=LATER)
    store.serving.changed({"all.rss": "two"})
    assert topic
    store.serving.told(topic)
    again = store.serving.take(now=NOW, until=LATER)
    assert again
    assert again.digest == "two"


def test_a_hub_that_failed_is_told_later(store: Database) -> None:
    store.serving.changed({"all.rss": "one", "boats.rss": "one"})
    topic = store.serving.take(now=NOW, until=LATER)
    assert topic
    store.serving.failed(topic, "it does not answer", next_at=LATER)
    other = store.serving.take(now=NOW, until=LATER)
    assert other
    assert other.name != topic.name
    assert store.serving.take(now=NOW, until=LATER) is None
    again = store.serving.take(now=LATER, until=LATER + timedelta(hours=1))
    assert again
    last = store.serving.take(now=LATER, until=LATER + timedelta(hours=1))
    assert last
    assert {(one.name, one.tries) for one in (again, last)} == {(topic.name, 1), (other.name, 0)}
