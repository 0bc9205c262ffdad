"""Which address leads where."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.errors import PublisherError
from publisher.ports import Parts
from publisher.web import errors
from publisher.web.feeds import FEEDS, Answer, FeedFiles
from publisher.web.hooks import Hooks
from publisher.web.public import Public
from publisher.web.pushes import Pushes
from publisher.web.safety import Secured


def application(parts: Parts, wake: Callable[[], None] = lambda: None) -> Entrance:
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
    return Entrance(pages, FeedFiles(parts), public)


class Entrance:
    """What every request passes: feeds take the short way, every other answer gets the headers that those bring
    with them, and an error that no page has answered becomes one. It never raises, so no server shows or logs
    anything of its own."""

    def __init__(self, pages: ASGIApp, feeds: FeedFiles, public: Public) -> None:
        self._pages = pages
        self._feeds = feeds
        self._public = public

    def ready(self, scope: Scope) -> Answer | None:
        """The answer that needs no waiting, for a server that can send it as it is."""
        return self._feeds.ready(scope) if scope["path"].startswith(FEEDS) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        path, secured = scope["path"], Secured(send)
        try:
            if not (path.startswith(FEEDS) and await self._feeds.answer(scope, send)):
                await self._pages(scope, receive, secured)
        except Exception as error:
            if not secured.started:  # else it has been answered and logged
                answer = await errors.answer(path, error, self._public)
                await answer(scope, receive, secured)


async def _to_feeds(request: Request) -> Response:
    return RedirectResponse("/feeds/", status_code=302)


def _in_words(public: Public) -> errors.Handler:
    async def in_words(request: Request, error: Exception) -> Response:
        return await errors.answer(request.url.path, error, public)

    return in_words
