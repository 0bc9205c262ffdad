"""WebSub (W3C Recommendation, 2018): telling a hub that a feed changed. The hub then tells its subscribers.

How a publisher tells a hub is left open by section 5 of it; hubs understand the form of PubSubHubbub 0.4, and some look
for the address under another name.
"""

from __future__ import annotations

from publisher.errors import HubError
from publisher.kit.http_session import Deadline, open_session, shown

_TIMEOUT = (5.0, 10.0)
_PATIENCE = 15.0  # seconds for the whole call
_QUOTED = 200  # bytes of an answer that may say what is wrong


class WebSubHub:
    """Implements `ports.Hub`. Its address is the settings' business: it may be one of the newsroom's own network."""

    def __init__(self, url: str) -> None:
        self._url = url

    def tell(self, topic: str) -> None:
        form = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}
        try:
            with open_session(allow_private=True) as session, Deadline(session, _PATIENCE):
                answer = session.post(self._url, data=form, timeout=_TIMEOUT, stream=True)
                with answer:
                    said = answer.raw.read(_QUOTED, decode_content=True)
        except OSError as error:
            raise HubError(f"the hub {shown(self._url)} does not answer ({type(error).__name__})") from error
        if not 200 <= answer.status_code < 300:
            words = " ".join(said.decode(errors="replace").split())
            raise HubError(f"the hub {shown(self._url)} answered {answer.status_code}: {words}")
