"""The pages readers see: leave a newsletter, confirm a subscription. A GET never changes anything."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from publisher import audience
from publisher.compose import site_view
from publisher.errors import TemplateError
from publisher.model import Subscriber, SubscriptionStatus
from publisher.ports import Parts

#: Bytes. The body of a one-click request is 26 of them, with a multipart frame some hundred; a form of ours less.
LARGEST_BODY = 4096
#: Seconds that a body may take.
SLOWEST_BODY = 10.0
#: The field of a one-click request (RFC 8058 section 3.1), in either encoding. No form of ours has it.
ONE_CLICK = b"List-Unsubscribe"
PRIVATE = {"cache-control": "no-store"}


class Public:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._names = {newsletter.slug: newsletter.name for newsletter in parts.newsletters}
        self._renamed = {old: newsletter.slug for newsletter in parts.newsletters for old in newsletter.was}

    async def unsubscribe(self, request: Request) -> Response:
        """RFC 8058: a POST ends the subscription at once, without cookie, question or redirect, and as often
        as it comes. A GET, which scanners of links make too, shows a page with a button."""
        token = request.path_params["token"]
        if request.method != "POST":
            return await run_in_threadpool(self._about_unsubscribing, token)
        one_click = ONE_CLICK in await _body(request)
        return await run_in_threadpool(self._unsubscribe, token, one_click)

    async def confirm(self, request: Request) -> Response:
        """Double opt-in: scanners follow links, so only a POST confirms."""
        token = request.path_params["token"]
        if request.method != "POST":
            return await run_in_threadpool(self._about_confirming, token)
        await _body(request)
        return await run_in_threadpool(self._confirm, token)

    async def style(self, request: Request) -> Response:
        css = await run_in_threadpool(self._parts.templates.render, "web/public/public.css", {})
        return Response(css, media_type="text/css", headers={"cache-control": "public, max-age=3600"})

    async def no_feeds(self, request: Request) -> Response:
        """The list of feeds, before there is one."""
        return await run_in_threadpool(partial(self._page, "feeds", feeds=[], groups=[], opml_url=""))

    def message(self, status: int, title: str, text: str) -> Response:
        """A page that says something, also where a site's own template is broken."""
        try:
            return self._page("message", status, title=title, text=text)
        except TemplateError:
            return PlainTextResponse(f"{title}\n{text}\n", status_code=status, headers=PRIVATE)

    # ------------------------------------------------------------ in a thread

    def _unsubscribe(self, token: str, one_click: bool) -> Response:
        store, keys, now = self._parts.store, self._parts.keys, self._parts.clock.now()
        how = "one-click" if one_click else "page"
        reader, newsletter = audience.unsubscribe(store, keys, token, renamed=self._renamed, now=now, how=how)
        if one_click:
            return PlainTextResponse("You are unsubscribed.\n", headers=PRIVATE)
        there = newsletter in self._names  # else there is nothing to come back to
        back = audience.way_back(store, keys, reader, newsletter, now=now) if there else ""
        return self._about("unsubscribed", reader, newsletter, back_url=back)

    def _about_unsubscribing(self, token: str) -> Response:
        store = self._parts.store
        reader, newsletter = audience.read_link(store, self._parts.keys, token, renamed=self._renamed)
        if audience.status(store, reader, newsletter) is SubscriptionStatus.UNSUBSCRIBED:
            return self._about("unsubscribed", reader, newsletter, back_url="")  # no link to follow gives a way back
        return self._about("unsubscribe", reader, newsletter)

    def _confirm(self, token: str) -> Response:
        reader, newsletter = audience.confirm(
            self._parts.store,
            self._parts.keys,
            token,
            renamed=self._renamed,
            now=self._parts.clock.now(),
            within=audience.CONFIRM_WITHIN,
        )
        return self._about("confirmed", reader, newsletter)

    def _about_confirming(self, token: str) -> Response:
        store = self._parts.store
        reader, newsletter = audience.read_confirmation(
            store, self._parts.keys, token, renamed=self._renamed, within=audience.CONFIRM_WITHIN
        )
        done = audience.status(store, reader, newsletter) is SubscriptionStatus.CONFIRMED
        return self._about("confirmed" if done else "confirm", reader, newsletter)

    def _about(self, page: str, reader: Subscriber, newsletter: str, **values: Any) -> Response:
        name = self._names.get(newsletter, newsletter)  # a newsletter that is no more has only its slug left
        return self._page(page, email=reader.email, newsletter=name, **values)

    def _page(self, name: str, status: int = 200, **values: Any) -> Response:
        site = self._parts.site
        html = self._parts.templates.render(
            f"web/public/{name}.html", {"site": site_view(site), **values}, language=site.language
        )
        return HTMLResponse(html, status_code=status, headers=PRIVATE)


async def _body(request: Request) -> bytes:
    """The body, whatever its encoding. Raises HTTPException when it is too long, or too slow."""
    body = b""
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    return body
