"""A newsroom whose days pass, and what its readers found in their mail."""

from __future__ import annotations

from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from itertools import pairwise
from pathlib import Path
from typing import Any

from publisher import pipeline
from publisher.app import App
from publisher.model import Article, Edition, EditionState, FetchedArticle, Newsletter, Slot, Variant
from tests.people import NOW
from tests.pipeline.newsroom import open_newsroom, story
from tests.sites import TestClock, add_readers

TOPICS = ("category:*", "author:*", "tag:*", "source:*")
LABELS = ("UPDATED", "CORRECTION", "RETRACTION")


class World:
    """A newsroom with readers of one newsletter, whose days pass one by one."""

    def __init__(self, root: Path, *, store: str = "", **settings: Any) -> None:
        self.root, self.clock = root, TestClock(NOW)
        app, self.newsroom = open_newsroom(root, self.clock, store=store)
        (newsletter,) = app.parts.newsletters
        changed = replace(newsletter, **{"topics": TOPICS, **settings})
        self.app: App = replace(app, parts=replace(app.parts, newsletters=(changed,)))
        self.stories: dict[str, FetchedArticle] = {}
        self.opened: set[Path] = set()

    @property
    def newsletter(self) -> Newsletter:
        return self.app.parts.newsletters[0]

    def readers(self, **chosen: str | dict[str, Any]) -> None:
        """Readers by name: the topics each follows, as words, or all of their choices."""
        add_readers(self.app, *(f"{name}@reader.example" for name in chosen))
        for name, choice in chosen.items():
            wants = choice if isinstance(choice, dict) else {"topics": tuple(filter(None, choice.split(";")))}
            person = self.app.parts.store.audience.by_email(f"{name}@reader.example")
            assert person
            choose = self.app.parts.store.audience.choose
            choose(person.id, "daily", **{"topics": (), "cadence": "", "alerts": True, **wants})

    def publish(self, *titles: str, source: str = "newsroom", **changes: Any) -> None:
        """Say something for the first time, or something else."""
        for title in titles:
            self.stories[title] = story(title, published_at=self.clock.now(), **changes)
            self.newsroom.window(source, self.stories[title])
            pipeline.collect(self.app.parts, source)

    def edition(self, slot: str) -> Edition:
        """Compose, plan and deliver the edition of a slot."""
        parts, there = self.app.parts, Slot(name=slot, due_at=self.clock.now())
        made = pipeline.compose_slot(parts, self.newsletter, there, by_hand=True)
        if made.state is EditionState.APPROVED:
            pipeline.plan(parts, made.key)
            pipeline.deliver(parts, "maildir")
        return parts.store.editions.get(made.key)

    def daily(self) -> dict[str, list[str]]:
        """Send today's digest, and let it be tomorrow."""
        self.edition(f"daily:{self.clock.now().date()}")
        self.clock.move(days=1)
        return self.mail()

    def mail(self) -> dict[str, list[str]]:
        """By reader: the stories of the mail that came since, in order, each with its label. Nobody has two."""
        folder = self.root / "var" / "maildir" / "new"
        paths = set(folder.glob("*")) - self.opened if folder.exists() else set()
        self.opened |= paths
        found = [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in sorted(paths)]
        mail = {str(message["To"]).strip("<>").partition("@")[0]: self._told(message) for message in found}
        assert len(mail) == len(found), "somebody has two messages"
        return dict(sorted(mail.items()))

    def _told(self, message: EmailMessage) -> list[str]:
        part = message.get_body(("plain",))
        assert part
        lines = part.get_content().splitlines()
        return [
            f"{before.lower()}: {line}" if before in LABELS else line
            for before, line in pairwise(lines)
            if line in self.stories
        ]

    def excluded(self, slot: str) -> dict[str, int]:
        edition = self.app.parts.store.editions.get(f"daily/{slot}")
        return dict(self.app.parts.store.outbox.sums(edition.id).excluded)

    def variants(self, slot: str) -> tuple[Variant, ...]:
        edition = self.app.parts.store.editions.get(f"daily/{slot}")
        return self.app.parts.store.editions.variants(edition.id)

    def article(self, title: str) -> Article:
        (found,) = self.app.parts.store.articles.find(title)
        return found
