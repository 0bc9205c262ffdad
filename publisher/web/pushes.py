"""What newsrooms and hubs tell unasked: that there is something to look at, or an article itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from publisher import pipeline
from publisher.errors import SourceInvalid, WebhookRejected
from publisher.kit import signatures
from publisher.model import Source
from publisher.ports import Parts
from publisher.web.hooks import answer, body_of

#: Bytes of a call that brings articles.
LARGEST = 5_000_000


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(("?", "!", ".")) else ".")


class Pushes:
    """`POST /hooks/articles/<source>`. The answer comes when all is committed, which takes milliseconds.

    What a call to a source that can be read says is not believed: the source is looked at. It is never answered by
    410, after which Ghost removes the webhook.
    """

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake

    async def articles(self, request: Request) -> Response:
        source = self._source(request.path_params.get("source"))
        if source is None:
            return answer(404, "No such source takes calls: give it a webhook_secret_env.")
        body = await body_of(request, LARGEST)
        if isinstance(body, Response):
            return body
        try:
            return await run_in_threadpool(self._take, source, dict(request.headers), body)
        except WebhookRejected as rejected:
            structlog.get_logger("publisher.web").warning("web.hook", source=source.slug, rejected=str(rejected))
            return answer(401, _sentence(str(rejected)))
        except SourceInvalid as invalid:
            return answer(400, str(invalid))

    async def verify(self, request: Request) -> Response:
        """A hub makes sure that we asked it (WebSub section 5.3)."""
        told, key = dict(request.query_params), request.path_params["key"]
        challenge = await run_in_threadpool(pipeline.verify, self._parts, key, told)
        if challenge is None:
            return answer(404, "Nobody asked for that.")
        return PlainTextResponse(challenge, headers={"cache-control": "no-store"})

    async def news(self, request: Request) -> Response:
        """A hub delivers (section 7). One whose signature does not fit is thanked like any other (section 8)."""
        body = await body_of(request, LARGEST)
        if isinstance(body, Response):
            return body
        signature = request.headers.get("x-hub-signature", "")
        due = await run_in_threadpool(pipeline.told_by_hub, self._parts, request.path_params["key"], signature, body)
        if due is None:
            return answer(410, "Nobody asks for that any more.")
        if due:
            await run_in_threadpool(self._wake)
        else:
            structlog.get_logger("publisher.web").warning("web.hook", rejected="a hub's signature does not fit")
        return answer(202, "Thank you.")

    def _source(self, slug: str | None) -> Source | None:
        """The one of that name; without a name, the only one there is."""
        takers = [source for source in self._parts.sources if source.secrets.get("webhook")]
        found = [source for source in takers if slug in (None, source.slug)]
        return found[0] if len(found) == 1 else None

    def _take(self, source: Source, headers: Mapping[str, str], body: bytes) -> Response:
        """The bytes as they came: a signature covers no others."""
        call = signatures.verify(headers, body, source.secrets["webhook"], now=self._parts.clock.now())
        if source.kind != "push":
            pipeline.ask(self._parts, source.slug)
            self._wake()
            return answer(202, "Thank you. I am having a look.")
        tally = pipeline.push(self._parts, source.slug, body, call=call)
        self._wake()
        told = {"new": tally.new, "changed": tally.changed, "unchanged": tally.unchanged}
        return JSONResponse(told, headers={"cache-control": "no-store"})
