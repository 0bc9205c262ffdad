"""Reads a whole WordPress archive and says what memory that takes: `python benchmarks/collect_wordpress.py [--posts
100000]`.

The site is generated, on loopback, in a process of its own. Each page is thrown away when it has come, as `collect`
does once it is stored. Memory is the highest that this process ever had, told after the first tenth of the archive and
at its end: it is flat when the two are alike. Beside the rate stands how fast this machine decodes the same JSON.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl, urlsplit

import orjson

from publisher.fetchers.wordpress import WordPress
from publisher.model import Source

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEXT = (
    "<p>The ferry sails again, <a href='/tag/ferry/'>says</a> the council, and the harbour counts the tides.</p>\n" * 30
)
FLAT = 1.1  # times


def post(id: int) -> dict[str, object]:
    at = (NOW - timedelta(minutes=200_000 - id)).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "id": id,
        "date": at,
        "date_gmt": at,
        "modified": at,
        "modified_gmt": at,
        "guid": {"rendered": f"https://gazette.example/?p={id}"},
        "link": f"https://gazette.example/{id}/",
        "title": {"rendered": f"Tide &#8211; {id}"},
        "content": {"rendered": TEXT, "protected": False},
        "excerpt": {"rendered": "<p>What the tide brought.</p>", "protected": False},
        "_embedded": {
            "author": [{"id": 1, "name": "Nora Quill", "link": "https://gazette.example/author/nora/"}],
            "wp:term": [[{"taxonomy": "category", "name": "Harbour"}], [{"taxonomy": "post_tag", "name": "tide"}]],
        },
    }


class Archive(BaseHTTPRequestHandler):
    posts = 0
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/wp-json/":
            self._say({"name": "The Generated Gazette", "namespaces": ["wp/v2"], "timezone_string": "Europe/Dublin"})
        elif parts.path == "/wp-json/wp/v2/posts" and query.get("orderby") == "modified":
            self._say([post(self.posts)])
        elif parts.path == "/wp-json/wp/v2/posts":
            begin = int(query.get("offset", 0))
            ids = range(begin + 1, min(begin + int(query.get("per_page", 10)), self.posts) + 1)
            self._say([post(id) if "_embed" in query else {"id": id} for id in ids])
        else:
            self._say({})

    def _say(self, value: object) -> None:
        body = orjson.dumps(value)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-WP-Total", str(self.posts))
        self.end_headers()
        self.wfile.write(body)


def serve(posts: int, told: Connection) -> None:
    Archive.posts = posts
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    told.send(server.server_port)
    server.serve_forever()


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(url: str, posts: int) -> tuple[int, float, float]:
    """How many articles came, and the memory after a tenth of them and at the end."""
    source = Source(slug="w", kind="wordpress", url=url, interval=timedelta(minutes=10), allow_private=True)
    came = last = 0
    early = 0.0
    for page in WordPress().fetch(source, now=NOW):
        for article in page.articles:
            came += int(article.native_id) > last  # each once, in their order
            last = int(article.native_id)
        if not early and came * 10 >= posts:
            early = peak()
    return came, early, peak()


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    told.add_argument("--posts", type=int, default=100_000)
    posts = told.parse_args().posts
    here, there = multiprocessing.Pipe()
    site = multiprocessing.get_context("spawn").Process(target=serve, args=(posts, there), daemon=True)
    site.start()
    url = f"http://127.0.0.1:{here.recv()}/"
    began = time.perf_counter()
    came, early, late = read(url, posts)
    seconds = time.perf_counter() - began
    site.terminate()
    body = orjson.dumps([post(id) for id in range(100)])
    began = time.perf_counter()
    for _ in range(100):
        orjson.loads(body)
    limit = 10_000 / (time.perf_counter() - began)
    rate = came / seconds
    print(f"{came:,} of {posts:,} posts in {seconds:.1f} s: {rate:,.0f} a second (their JSON alone: {limit:,.0f})")
    print(f"memory after a tenth {early:.1f} MB, at the end {late:.1f} MB: {late / early:.3f} times")
    return 0 if came == posts and late / early <= FLAT else 1


if __name__ == "__main__":
    sys.exit(main())
