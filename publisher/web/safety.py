"""Headers on every answer. Nothing here runs a script, and nobody may frame us."""

from __future__ import annotations

from starlette.types import Message, Send

POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Secured:
    """Sends an answer with these headers; `started` tells whether there is one already."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message["headers"], *SECURITY]
        await self._send(message)
