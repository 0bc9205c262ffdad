"""Times a pass over many sources that have nothing new: `python benchmarks/sources.py --sources 1000`.

Each source is a feed on a host of its own (another loopback address), which answers 304 to its validators. One
host more answers only after `--slow` seconds: how long everybody else took is told apart. Beside the pass stand the
limits of this machine, measured in the same run: the same requests sent bare, with as many threads and a session
each, and as many commits with fsync as there were looks. CPU is of this process, and of the server beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from publisher import pipeline
from publisher.app import App, open_app
from publisher.errors import PublisherError

FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Host</title><link>http://h.example/</link>
<description>-</description><item><guid>{0}</guid><title>News of {0}</title><description>Text.</description></item>
</channel></rss>"""
SITE = """
[site]
name = "The Generated Gazette"
url = "https://gazette.example"
tag_authority = "gazette.example,2026"

[[feeds]]
slug = "all"
title = "Everything"
"""
SOURCE = """
[[sources]]
slug = "host-{number}"
kind = "syndication"
url = "http://{address}:{port}/feed"
allow_private = true
"""


def address(number: int) -> str:
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


# ---------------------------------------------------------------- hosts


def serve(port: multiprocessing.Queue[int], slow: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                host = writer.get_extra_info("sockname")[0]
                if b"if-none-match" in request.lower():
                    if host == address(0):
                        await asyncio.sleep(slow)
                    writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n')
                else:
                    body = FEED.format(host).encode()
                    head = (
                        f'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n'
                    )
                    writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


# ---------------------------------------------------------------- the pass, and its limits


def one_pass(app: App) -> tuple[float, float]:
    """Seconds until everybody but the slow host, which comes first, was done, and until all were."""
    slugs = [source.slug for source in app.parts.sources]
    started, start = app.parts.clock.now(), time.perf_counter()
    for slug, result in pipeline.collect_all(app.parts, slugs):
        if isinstance(result, Exception):
            raise SystemExit(f"{slug}: {result}")
    whole = time.perf_counter() - start
    others = [source.fetched_at for source in app.parts.store.sources.all() if source.slug != slugs[0]]
    return (max(filter(None, others)) - started).total_seconds(), whole


def bare(urls: Sequence[str]) -> float:
    """The same requests with nothing around them."""

    def ask(url: str) -> None:
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(url, headers={"If-None-Match": '"1"'}, timeout=30).status_code == 304

    start = time.perf_counter()
    with ThreadPoolExecutor(pipeline.LOOKS) as pool:
        list(pool.map(ask, urls))
    return time.perf_counter() - start


def commits(folder: Path, number: int) -> float:
    connection = sqlite3.connect(folder / "limit.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (n)")
    start = time.perf_counter()
    for n in range(number):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?)", (n,))
        connection.execute("COMMIT")
    return time.perf_counter() - start


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sources", type=int, default=1000)
    arguments.add_argument("--slow", type=float, default=5.0)
    given = arguments.parse_args()
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports, given.slow), daemon=True)
    server.start()
    port = ports.get(timeout=10)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        hosts = range(given.sources + 1)  # the first is the slow one
        sources = "".join(SOURCE.format(number=n, address=address(n), port=port) for n in hosts)
        (root / "settings.toml").write_text(SITE + sources)
        app = open_app(root, {})
        try:
            pipeline.adopt(app.parts)
            first = max(one_pass(app))
            before = cpu()
            fast, whole = one_pass(app)
            used = cpu() - before
            urls = [f"http://{address(n)}:{port}/feed" for n in hosts][1:]
            alone, fsync = bare(urls), commits(root, given.sources)
        except PublisherError as error:
            raise SystemExit(str(error)) from error
        finally:
            app.close()
            server.terminate()
    print(f"{given.sources:,} sources, {pipeline.LOOKS} looks at a time, one host that takes {given.slow} s")
    print(f"first pass (an article each)      {first:6.2f} s")
    print(f"304 from all but the slow host    {fast:6.2f} s   {used:.2f} s of CPU")
    print(f"304 from all                      {whole:6.2f} s")
    print(f"limit: the same requests, bare    {alone:6.2f} s   ratio {fast / alone:.2f}")
    print(f"limit: as many commits with fsync {fsync:6.2f} s   ratio {fast / fsync:.2f}")
    print(f"both limits one after the other   {alone + fsync:6.2f} s   ratio {fast / (alone + fsync):.2f}")


if __name__ == "__main__":
    main()
