"""Pictures of articles, read from wherever the article says that they are."""

from __future__ import annotations

from publisher.kit.http_session import Limits, get, open_session

_LIMITS = Limits(connect=5, read=10, total=15, bytes=20_000_000)


class PictureReader:
    """Implements `ports.Pictures`."""

    def __init__(self, *, user_agent: str) -> None:
        self._user_agent = user_agent

    def read(self, url: str, *, allow_private: bool) -> bytes:
        """The file at an address. Raises SourceUnavailable and SourceInvalid."""
        with open_session(allow_private=allow_private, user_agent=self._user_agent) as session:
            return get(session, url, headers={"Accept": "image/*"}, limits=_LIMITS).body
