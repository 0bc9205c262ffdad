"""What mailers tell unasked: kept, answered at once, and made something of later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from publisher.errors import WebhookRejected
from publisher.ports import Mailer, Parts

#: Bytes of a call. Each holds one event of a few thousand.
LARGEST = 1_000_000
#: Seconds that a call may take to arrive.
SLOWEST = 10.0


class Hooks:
    """`POST /hooks/mail/<mailer>`. A store that is down makes the web door answer 503, so the provider comes again.

    A bad signature is answered by 401 and never by 403 or 406, after which some providers never come again.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def mail(self, request: Request) -> Response:
        mailer = self._parts.mailers.get(request.path_params["mailer"])
        if mailer is None or not mailer.capability.webhook:
            return answer(404, "No such mailer calls here.")
        body = await body_of(request)
        if isinstance(body, Response):
            return body
        try:
            await run_in_threadpool(self._keep, mailer, dict(request.headers), body)
        except WebhookRejected as rejected:
            structlog.get_logger("publisher.web").warning("web.hook", mailer=mailer.name, rejected=str(rejected))
            return answer(401, "The signature is not right.")
        return answer(200, "Thank you.")

    def _keep(self, mailer: Mailer, headers: Mapping[str, str], body: bytes) -> None:
        """The bytes as they came: a signature covers no others."""
        now = self._parts.clock.now()
        events = mailer.events(headers, body, now=now)
        self._parts.store.events.keep(mailer.name, events, at=now)


async def body_of(request: Request, largest: int = LARGEST) -> bytes | Response:
    """The body, or the answer to one that is too long, or too slow. What it says about its length is not believed."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    return answer(413, "That is too long.")
    except TimeoutError:
        return answer(408, "That took too long.")
    return bytes(body)


def answer(status: int, words: str) -> Response:
    return PlainTextResponse(f"{words}\n", status_code=status, headers={"cache-control": "no-store"})
