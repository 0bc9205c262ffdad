"""Which address leads where."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.errors import PublisherError
from publisher.ports import Parts
from publisher.web import errors
from publisher.web.feeds import FeedFiles
from publisher.web.hooks import Hooks
from publisher.web.public import Public
from publisher.web.pushes import Pushes

POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
#: On every answer. Nothing here runs a script, and nobody may frame us.
SECURITY = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def application(parts: Parts, wake: Callable[[], None] = lambda: None) -> ASGIApp:
    """The ASGI application of a site; `wake` tells whoever works in this process that something is due."""
    public, pushes = Public(parts), Pushes(parts, wake)

    pages = Starlette(
        routes=[
            Route("/", _to_feeds),
            Route("/feeds", _to_feeds),
            Route("/feeds/", public.no_feeds),
            Route("/u/{token}", public.unsubscribe, methods=["GET", "POST"]),
            Route("/c/{token}", public.confirm, methods=["GET", "POST"]),
            Route("/static/public.css", public.style),
            Route("/hooks/mail/{mailer}", Hooks(parts).mail, methods=["POST"]),
            Route("/hooks/websub/{key}", pushes.verify, methods=["GET"]),
            Route("/hooks/websub/{key}", pushes.news, methods=["POST"]),
            Route("/hooks/articles", pushes.articles, methods=["POST"]),
            Route("/hooks/articles/{source}", pushes.articles, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((HTTPException, PublisherError, Exception), _in_words(public)),
    )
    pages.router.redirect_slashes = False  # a redirect would lose a one-click POST (RFC 8058 section 3.1)
    return Entrance(pages, FeedFiles(parts, pages), public)


class Entrance:
    """What every request passes: feeds take the short way, every answer gets the headers, and an error that no
    page has answered becomes one. It never raises, so no server shows or logs anything of its own."""

    def __init__(self, pages: ASGIApp, feeds: ASGIApp, public: Public) -> None:
        self._pages = pages
        self._feeds = feeds
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *SECURITY]
            await send(message)

        path = scope["path"]
        app = self._feeds if path.startswith("/feeds/") else self._pages
        try:
            await app(scope, receive, with_headers)
        except Exception as error:
            if not started:  # else it has been answered and logged
                answer = await errors.answer(path, error, self._public)
                await answer(scope, receive, with_headers)


async def _to_feeds(request: Request) -> Response:
    return RedirectResponse("/feeds/", status_code=302)


def _in_words(public: Public) -> errors.Handler:
    async def in_words(request: Request, error: Exception) -> Response:
        return await errors.answer(request.url.path, error, public)

    return in_words
