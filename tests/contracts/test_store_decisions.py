from __future__ import annotations

from datetime import datetime, timedelta

from publisher.model import Decision
from publisher.store import Database
from tests.people import NOW, article, source

LATER = NOW + timedelta(hours=1)


def decision(article: int, *, included: bool = True, rule: str = "everything", at: datetime = NOW) -> Decision:
    return Decision(output="feed:all", article=article, revision=1, included=included, rule=rule, at=at)


def test_an_equal_decision_keeps_its_time_and_another_one_replaces_it(store: Database) -> None:
    store.sources.sync([source()], renamed={})
    one = store.articles.add(article())
    store.decisions.record([decision(one.id)])
    store.decisions.record([decision(one.id, at=LATER)])
    assert store.decisions.of(one.id) == (decision(one.id, at=NOW),)
    out = decision(one.id, included=False, rule="retracted", at=LATER)
    store.decisions.record([decision(one.id), out])
    assert store.decisions.of(one.id) == (out,)
    assert store.decisions.of(one.id + 1) == ()
