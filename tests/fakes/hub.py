"""A feed and its hub on loopback: the hub is flask-websub 0.4, which shares nothing with us.

with FeedWithHub() as there:
    there.publish("ferry", "The ferry returns")   # the feed has it
    there.tell()                                  # the hub delivers to whoever asked for it
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_websub.hub import Hub, SQLite3HubStorage
from werkzeug.serving import make_server


class _Task:
    """The part of Celery's tasks that the hub uses, done in threads and without a second try."""

    def __init__(self, do: Callable[..., Any], bind: bool) -> None:
        self._do = do
        self._bind = bind
        self.threads: list[threading.Thread] = []

    def delay(self, *args: Any) -> None:
        thread = threading.Thread(target=self._do, args=(self, *args) if self._bind else args, daemon=True)
        self.threads.append(thread)
        thread.start()


class _Tasks:
    def task(self, bind: bool = False, **_: Any) -> Callable[[Callable[..., Any]], _Task]:
        return lambda do: _Task(do, bind)


class FeedWithHub:
    """`asked` are the forms that came to the hub. A `silent` hub says yes and does nothing. `names_hub` False: the feed
    names none."""

    def __init__(self, folder: Path, *, silent: bool = False, algorithm: str = "sha256") -> None:
        self.items: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []
        self.names_hub = True
        app = Flask(__name__)
        self._hub = Hub(SQLite3HubStorage(str(folder / "hub.db")), _Tasks(), SIGNATURE_ALGORITHM=algorithm)
        app.before_request(self._note)
        app.add_url_rule("/feed", view_func=self._feed)
        if silent:
            app.add_url_rule("/hub", "hub", lambda: ("Noted.", 202), methods=["POST"])
        else:
            app.register_blueprint(self._hub.build_blueprint(url_prefix="/hub"))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FeedWithHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, name: str, title: str) -> None:
        self.items[name] = title

    def tell(self) -> None:
        self._hub.send_change_notification.delay(f"{self.url}/feed")

    def callbacks(self) -> list[str]:
        """Whom the hub will tell."""
        return [callback for callback, _ in self._hub.storage.get_callbacks(f"{self.url}/feed")]

    def _note(self) -> None:
        if urlsplit(request.url).path == "/hub":
            self.asked.append(request.form.to_dict())

    def _feed(self) -> Response:
        items = "".join(
            f"<item><guid isPermaLink='false'>{name}</guid><title>{escape(title)}</title></item>"
            for name, title in self.items.items()
        )
        links = f'<{self.url}/feed>; rel="self", <{self.url}/hub>; rel="hub"'
        body = f"<rss version='2.0'><channel><title>The Harbour</title>{items}</channel></rss>"
        headers = {"Link": links} if self.names_hub else {}
        return Response(body, content_type="application/rss+xml", headers=headers)
