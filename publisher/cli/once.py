"""`publisher run --once`: the whole job one time, and what to open afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from publisher.cli import console, shown
from publisher.cli.door import finishing
from publisher.cli.errors import together, words
from publisher.cli.exits import Exit
from publisher.cli.reading import take
from publisher.cli.steps import counts, done, tally_words, waiting
from publisher.cli.words import count, when

if TYPE_CHECKING:
    from publisher.app import App
    from publisher.collect import Tally
    from publisher.model import Edition, EditionState
    from publisher.syndicate import Published

#: Readers who lie beside the settings of a new site; a pass takes them in while nobody reads anything yet.
READERS = "subscribers.csv"


@dataclass(slots=True)
class _Pass:
    """What one pass did, gathered as it goes. `before` holds the states of editions before it."""

    app: App
    json: bool
    before: dict[str, EditionState]
    readers: int = 0
    collected: list[dict[str, Any]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    composed: list[str] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)

    def say(self, step: str, text: str) -> None:
        if not self.json:
            console.say(f"{step:10} {text}")

    def said(self, step: str, result: object) -> None:
        """What `pipeline.one_pass` tells after each step."""
        if isinstance(result, BaseException):
            self.problems.append(result)
            console.warn(f"{step:10} {words(result)}")
        elif step in ("syndicate", "compose"):
            getattr(self, f"_{step}")(result)
        if step == "collect":
            self._collect(result)

    def _collect(self, result: Any) -> None:
        source = self.app.parts.sources[len(self.collected)].slug  # told once for each source, in their order
        if isinstance(result, BaseException):
            self.collected.append({"source": source, "error": words(result)})
            return
        tally: Tally = result
        self.collected.append({"source": source, "error": "", **counts(tally)})
        self.say("collect", f"{source}: {tally_words(tally)}")
        done("collect", source=source, **counts(tally))
        for refusal in tally.refused:
            console.warn(f"{'collect':10} {source}: left out {refusal.item}: {refusal.reason}")

    def _syndicate(self, published: Published) -> None:
        self.written += published.written
        self.unchanged += len(published.unchanged)
        done("syndicate", written=len(published.written), unchanged=len(published.unchanged))
        for left_out in published.left_out:
            console.warn(f"{'syndicate':10} left out {left_out}")

    def _compose(self, edition: Edition) -> None:
        self.composed.append(edition.key)
        done("compose", edition=edition.key, state=edition.state)

    @property
    def editions(self) -> list[Edition]:
        """The editions of today, as they are now."""
        return [self.app.parts.store.editions.get(key) for key in self.composed]

    def went(self, edition: Edition) -> bool:
        """Whether it left, or began to, in this pass."""
        from publisher.model import COMMITTED

        return edition.state in COMMITTED and self.before.get(edition.key) != edition.state

    @property
    def nothing(self) -> bool:
        found = any(numbers.get(name) for numbers in self.collected for name in ("new", "changed", "removed"))
        return not (found or self.written or self.problems or any(map(self.went, self.editions)))


def one_pass(app: App, *, json: bool) -> Exit:
    """Collect, syndicate, compose and deliver once, whatever the hour. Errors in one place do not stop the rest."""
    from publisher import pipeline

    before = {edition.key: edition.state for edition in app.parts.store.editions.newest(1000)}
    this = _Pass(app, json, before)
    _take_readers(this)
    with finishing(app) as good_place, ExitStack() as bars:
        bars.enter_context(console.progress("working", shown=not json))

        def said(step: str, result: object) -> None:
            this.said(step, result)
            good_place()

        pipeline.one_pass(app.parts, said, _Delivering(app, bars, shown=not json))
        if json:
            console.dump(_as_json(this))
    if not json:
        _summary(this)
    return together(this.problems)


class _Delivering:
    """A bar that appears with the first batch, when it is known how many readers there are."""

    def __init__(self, app: App, bars: ExitStack, *, shown: bool) -> None:
        self._app, self._bars, self._shown = app, bars, shown
        self._advance: Callable[[int], None] | None = None

    def __call__(self, readers: int) -> None:
        if self._advance is None:
            total = waiting(self._app) + readers
            self._advance = self._bars.enter_context(console.progress("delivering", total, shown=self._shown))
        self._advance(readers)


def _take_readers(this: _Pass) -> None:
    """The first pass on a new site finds its readers in a file beside the settings."""
    path = this.app.root / READERS
    if this.app.parts.store.audience.largest_id() or not path.is_file():
        return
    report = take(this.app.parts, path, "", lambda refusal: console.warn(f"{path}, {refusal.item}: {refusal.reason}"))
    this.readers = report.outcomes["added"]
    if this.readers:
        this.say("readers", f"{count(this.readers, 'reader')} from {path}, as nobody had subscribed yet")


def _as_json(this: _Pass) -> dict[str, Any]:
    return {
        "readers": this.readers,
        "sources": this.collected,
        "feeds": {"written": this.written, "unchanged": this.unchanged},
        "editions": [shown.edition(this.app.parts, edition) for edition in this.editions],
        "nothing_new": this.nothing,
        "files": [str(path) for path, _ in _files(this)],
        "problems": [words(problem) for problem in this.problems],
    }


def _summary(this: _Pass) -> None:
    if this.written:
        unchanged = f", {this.unchanged:,} unchanged" if this.unchanged else ""
        this.say("syndicate", f"{count(len(this.written), 'file')} written{unchanged}")
    for edition in this.editions:
        this.say("deliver" if this.went(edition) else "compose", _about(this, edition))
    if this.nothing:
        console.say("\nNothing new: no article, no feed to write, nobody to mail.")
    files = list(_files(this))
    if files:
        console.say("\nOpen these:")
    width = max((len(str(path)) for path, _ in files), default=0)
    for path, what in files:
        console.say(f"  {str(path).ljust(width)}  {what}")
    console.say(f"\nNext: {_next(this)}")


def _about(this: _Pass, edition: Edition) -> str:
    if this.went(edition) or edition.finished_at is None:
        return shown.line(this.app.parts, edition)
    zone = next(known.timezone for known in this.app.parts.newsletters if known.slug == edition.newsletter)
    return f"{edition.key} has already gone out, {when(edition.finished_at, zone)}"


def _files(this: _Pass) -> Iterator[tuple[Path, str]]:
    """What a person would like to open now, and what each is."""
    app = this.app
    for feed in app.parts.feeds:
        first, *others = (app.parts.formats[name].ending for name in feed.formats)
        path = app.root / app.settings.folder.path / f"{feed.slug}.{first}"
        if path.is_file():
            yield path, f"the feed “{feed.title}”" + (f", also as {' and '.join(others)}" if others else "")
    for edition in this.editions:
        if page := shown.previewed(app, edition):
            yield page, f"the edition of {edition.newsletter}, for a browser"
    if message := shown.newest_message(app):
        yield message, "the newest message, as a mail program gets it"


def _next(this: _Pass) -> str:
    parts, call = this.app.parts, shown.command(this.app.root)
    unread = [known.slug for known in parts.newsletters if not sum(parts.store.audience.count(known.slug).values())]
    if this.problems:
        return f"{call} check   (what is wrong, and what mends it)"
    if unread:
        return f"{call} subscribers add EMAIL --newsletter {unread[0]}   (nobody reads it yet)"
    return f"{call} run   (keeps all of this going), or {call} status"
