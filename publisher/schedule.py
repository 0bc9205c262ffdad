"""The door that time comes through: tick, ask the pipeline what is due, hand it to the engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from publisher import bounces, collect, deliver, pipeline, syndicate
from publisher.app import App, engine, watcher
from publisher.errors import PublisherError
from publisher.model import Edition, Work
from publisher.ports import Engine
from publisher.web import Server

#: Seconds between two looks at what is due.
TICK = 5.0
#: The work of asking what is due.
LOOK = "look"
#: What is followed by something else as soon as it brought anything: a feed, for one, is built.
_NEWS = frozenset({"collect", "release"})
#: Seconds that work in hand may take after SIGTERM.
DRAIN = 60.0


def run(app: App, *, host: str, port: int, ready: Callable[[int], None] | None = None) -> None:
    """Keep a site going until SIGTERM or SIGINT: feeds, editions, mail, and the web pages.

    `ready` is told the port once everything listens. Raises PublisherError when the address is taken.
    """
    log = structlog.get_logger("publisher")
    report = Report(log)

    def wake() -> None:
        working.submit(Work(kind=LOOK, key=""))

    web = Server(app.parts, host, port, wake)

    def do(work: Work) -> object:
        if work.kind == LOOK:
            for due in pipeline.due(app.parts):
                working.submit(due)
            return None
        result = pipeline.work(app.parts, work.kind, work.key)
        if work.kind in _NEWS and told(result):
            wake()  # what follows from it need not wait for the next tick
        return result

    def changed(source: str) -> None:
        pipeline.ask(app.parts, source)
        wake()

    working = engine(lambda work: report.attempt(work, lambda: do(work)), report.failed)
    watching = watcher(app.parts, changed, lambda error: report.failed(Work(kind="watch", key=""), error))

    with _until_signalled(app.stopping):
        serving = web.start()
        working.tick(wake, TICK)
        log.info("running", address=f"http://{host}:{web.port}", site=app.parts.site.name)
        if ready:
            ready(web.port)
        watching.start()
        threading.Thread(target=_stop, args=(app, web, working), name="stop", daemon=True).start()
        working.run()
        watching.stop()
        serving.join(timeout=10)
        if serving.is_alive():
            log.warning("stopping.unfinished", working="web pages", seconds=10)
    log.info("stopped")


def _stop(app: App, web: Server, working: Engine) -> None:
    """Wait for the word, then let everybody finish what they hold."""
    app.stopping.wait()
    log = structlog.get_logger("publisher")
    log.info("stopping")
    web.stop()
    if not working.drain(DRAIN):
        log.warning("stopping.unfinished", working=working.health(), seconds=DRAIN)


@contextmanager
def _until_signalled(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT only raise a flag: a handler may be called in the middle of anything, a log line too."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class Report:
    """The one place where the schedule turns errors into words.

    Work that fails is due again at every tick, so the same words are said once, and once more when it works
    again. A bug is logged whole.
    """

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._failing: dict[tuple[str, str], str] = {}

    def attempt(self, work: Work, call: Callable[[], object]) -> None:
        try:
            result = call()
        except Exception as error:
            self.failed(work, error)
        else:
            if self._failing.pop((work.kind, work.key), None):
                self._log.info(f"{work.kind}.recovered", key=work.key)
            if facts := told(result):
                self._log.info(f"{work.kind}.done", **({"key": work.key} if work.key else {}), **facts)
            for refusal in result.unheard if isinstance(result, collect.Tally) else ():
                self._log.warning(f"{work.kind}.refused", key=work.key, item=refusal.item, reason=refusal.reason)

    def failed(self, work: Work, error: BaseException) -> None:
        words = f"{type(error).__name__}: {error}"
        if self._failing.get((work.kind, work.key)) == words:
            return
        self._failing[work.kind, work.key] = words
        if isinstance(error, PublisherError):
            said = {**error.ids, "key": work.key, "error": str(error), "kind": type(error).__name__}
            self._log.warning(f"{work.kind}.failed", **said)
        else:
            self._log.error(f"{work.kind}.bug", key=work.key, exc_info=error)


def told(result: object) -> dict[str, object]:
    """What is worth a line in the log about work that is done; nothing when it changed nothing."""
    match result:
        case collect.Tally(new=new, changed=changed, removed=removed, returned=returned, refused=refused):
            sums = {"new": new, "changed": changed, "removed": removed, "returned": returned}
            return {**sums, "refused": len(refused)} if any(sums.values()) else {}
        case syndicate.Published(written=written, left_out=left_out) if written or left_out:
            return {"written": len(written), "left_out": len(left_out)}
        case Edition(key=edition, state=state, subject=subject, reason=reason):
            facts = {"edition": edition, "state": state.value, "subject": subject, "reason": reason}
            return {name: value for name, value in facts.items() if value}
    return {name: count for name, count in _counts(result).items() if count}


def _counts(result: object) -> dict[str, int]:
    match result:
        case deliver.Tally(outcomes=outcomes, skipped=skipped):
            return {"skipped": skipped, **{outcome.value: count for outcome, count in outcomes.items()}}
        case bounces.Tally(kinds=kinds, automatic=automatic, unreadable=unreadable):
            events = {kind.value: count for kind, count in kinds.items()}
            return {**events, "automatic": automatic, "unreadable": unreadable}
        case int(count):
            return {"count": count}
    return {}
