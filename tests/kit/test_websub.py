"""Telling a hub that is not ours (flask-websub), which tells a subscriber that is not ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import requests
from flask import Flask, Response
from flask_websub.hub import Hub, SQLite3HubStorage

from publisher.errors import HubError
from publisher.kit.websub import WebSubHub


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:  # type: ignore[override]
        pass


class _Server(WSGIServer):
    request_queue_size = 20


class _AtOnce:
    """In the place of the hub's task queue: what it puts there is done at once."""

    def task(self, function: Callable[..., object] | None = None, **options: object) -> object:
        if function is None:
            return lambda later: self.task(later, **options)
        itself = SimpleNamespace(request=SimpleNamespace(retries=0), retry=lambda **_: None)

        def call(*args: object, **named: object) -> object:
            return function(itself, *args, **named) if options.get("bind") else function(*args, **named)

        return SimpleNamespace(delay=call)


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    servers: list[WSGIServer] = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub(tmp_path: Path, serve: Callable[[Flask], str]) -> str:
    hub = Hub(SQLite3HubStorage(str(tmp_path / "hub.db")), _AtOnce())
    app = Flask("hub")
    app.config["PUBLISH_SUPPORTED"] = True
    app.register_blueprint(hub.build_blueprint(url_prefix="/hub"))
    return serve(app) + "/hub"


class Subscriber:
    def __init__(self, serve: Callable[[Flask], str]) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.said = threading.Event()
        app = Flask("subscriber")
        app.add_url_rule("/news", "confirm", self._confirm, methods=["GET"])
        app.add_url_rule("/news", "take", self._take, methods=["POST"])
        self.url = serve(app) + "/news"

    def _confirm(self) -> Response:
        from flask import request

        return Response(request.args["hub.challenge"])

    def _take(self) -> Response:
        from flask import request

        self.got.append((request.get_data(), request.headers["Content-Type"]))
        self.said.set()
        return Response("")


def test_a_subscriber_gets_the_new_version_through_a_hub(hub: str, serve: Callable[[Flask], str]) -> None:
    versions = [b"<rss>first</rss>"]
    site = Flask("site")
    topic = ""

    def feed() -> Response:
        links = f'<{hub}>; rel="hub", <{topic}>; rel="self"'  # as our server says
        return Response(versions[-1], mimetype="application/rss+xml", headers={"Link": links})

    site.add_url_rule("/feeds/all.rss", "feed", feed)
    topic = serve(site) + "/feeds/all.rss"
    subscriber = Subscriber(serve)
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": subscriber.url}
    assert requests.post(hub, data=form, timeout=10).status_code == 202

    versions.append(b"<rss>second</rss>")
    WebSubHub(hub).tell(topic)

    assert subscriber.said.wait(10)
    assert [data for data, _ in subscriber.got] == [b"<rss>second</rss>"]
    assert subscriber.got[0][1].startswith("application/rss+xml")


def test_a_hub_that_refuses_is_quoted(serve: Callable[[Flask], str]) -> None:
    app = Flask("hub")
    app.add_url_rule("/", "no", lambda: Response("not\nyours" + "x" * 10_000, status=403), methods=["POST"])
    with pytest.raises(HubError, match=r"answered 403: not yoursx+$") as caught:
        WebSubHub(serve(app)).tell("https://harbour-gazette.example/feeds/all.rss")
    assert len(str(caught.value)) < 300


def test_a_hub_that_is_not_there_is_named() -> None:
    with pytest.raises(HubError, match=r"the hub http://127.0.0.1:9/ does not answer"):
        WebSubHub("http://127.0.0.1:9/").tell("https://harbour-gazette.example/feeds/all.rss")
