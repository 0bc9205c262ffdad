"""The one place where the web door turns errors into words: a page for the reader, a line for the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.errors import BadToken, NotFound, PublisherError
from publisher.web.public import Public

Handler = Callable[[Request, Exception], Awaitable[Response]]
Words = tuple[str, str]

BAD_LINK: Words = ("This link is not one of ours", "It may be incomplete: copy it whole from the mail.")
NO_PAGE: Words = ("There is no such page", "The address may be misspelt, or the page may be gone.")
REFUSED: Mapping[int, Words] = {
    404: NO_PAGE,
    405: ("That cannot be done here", "This address answers other questions."),
    408: ("That took too long", "Please try again."),
    413: ("That is too long", "It is longer than anything we ask for."),
}
OUT_OF_ORDER: Words = ("Please try again in a minute", "Something is out of order here, and we know it.")
#: Seconds after which a program may try again.
LATER = "60"


async def answer(path: str, error: Exception, public: Public) -> Response:
    """The page that says what went wrong, and nothing about us. What a person here must mend is logged, once,
    and without the address, which may hold a reader's token."""
    if isinstance(error, BadToken):
        return await _page(public, 404, BAD_LINK)
    if isinstance(error, NotFound):
        return await _page(public, 404, NO_PAGE)
    if isinstance(error, HTTPException):
        words = REFUSED.get(error.status_code, (str(error.detail), ""))
        return await _page(public, error.status_code, words, error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody is there to read it
    _log(f"/{path.split('/')[1]}" if "/" in path else path, error)
    return await _page(public, 503, OUT_OF_ORDER, {"retry-after": LATER})


async def _page(public: Public, status: int, words: Words, headers: Mapping[str, str] | None = None) -> Response:
    page = await run_in_threadpool(public.message, status, *words)
    page.headers.update(headers or {})
    return page


def _log(page: str, error: Exception) -> None:
    log = structlog.get_logger("publisher.web")
    if isinstance(error, PublisherError):
        log.warning("web.failed", page=page, error=str(error), kind=type(error).__name__)
    else:
        log.error("web.bug", page=page, exc_info=error)
