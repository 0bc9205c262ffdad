"""The configurations for nginx and Caddy that we hand out, run by the real ones and held against our own server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from publisher.app import App
from publisher.web.server import Server
from tests.sites import SETTINGS, TestClock, lay_out, open_site, run_due

pytestmark = pytest.mark.full

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
COMPRESSED = SETTINGS + '\n[folder]\ncompressed = ["gzip", "br"]\n'
NGINX = """
{modules}
daemon off;
pid {work}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    include {work}/site.conf;
}}
"""
BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")
#: What readers go by. The rest is the server's own business.
TOLD = (
    *("content-type", "content-encoding", "cache-control", "vary", "access-control-allow-origin"),
    *("access-control-expose-headers", "content-security-policy", "referrer-policy", "x-content-type-options"),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    opened = open_site(
        lay_out(tmp_path_factory.mktemp("site"), COMPRESSED), TestClock(datetime(2026, 11, 22, tzinfo=UTC))
    )
    run_due(opened)
    then = time.time() - 100
    for path in (opened.root / "feeds").rglob("*"):
        os.utime(path, (then, then))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ours(app: App) -> Iterator[str]:
    server = Server(app.parts, "127.0.0.1", 0)
    thread = server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    thread.join(20)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def theirs(
    request: pytest.FixtureRequest, app: App, ours: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    program = shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    work, port = tmp_path_factory.mktemp(request.param), _free_port()
    make = _nginx if request.param == "nginx" else _caddy
    command = make(program, work, app.root, port, str(urlsplit(ours).port))
    home = {"HOME": str(work), "XDG_DATA_HOME": str(work), "XDG_CONFIG_HOME": str(work)}
    with (work / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=home) as process:
        try:
            _wait(port, process, work / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _nginx(program: str, work: Path, root: Path, port: int, behind: str) -> list[str]:
    os.chmod(root, 0o755)
    for parent in root.parents:  # nginx reads as another user when root starts it
        if parent.stat().st_uid == os.getuid() and len(parent.parts) > 2:
            parent.chmod(parent.stat().st_mode | 0o011)
    text = (REFERENCE / "nginx.conf").read_text().replace("/srv/publisher", str(root)).replace(":8080", f":{behind}")
    if not BROTLI.exists():
        pytest.skip("nginx has no brotli module")
    (work / "site.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    (work / "nginx.conf").write_text(NGINX.format(work=work, modules=f"load_module {BROTLI};"))
    return [program, "-c", str(work / "nginx.conf"), "-p", str(work)]


def _caddy(program: str, work: Path, root: Path, port: int, behind: str) -> list[str]:
    text = (REFERENCE / "Caddyfile").read_text().replace("/srv/publisher", str(root)).replace(":8080", f":{behind}")
    text = text.replace("news.harbour-gazette.example {", f"http://127.0.0.1:{port} {{", 1)
    (work / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
    return [program, "run", "--adapter", "caddyfile", "--config", str(work / "Caddyfile")]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        else:
            return


def ask(server: str, name: str, method: str = "GET", **headers: str) -> requests.Response:
    told = {"accept-encoding": "identity", **{key.replace("_", "-"): value for key, value in headers.items()}}
    return requests.request(method, f"{server}/feeds/{name}", headers=told, timeout=10, allow_redirects=False)


def seen(answer: requests.Response) -> dict[str, str | None]:
    return {name: answer.headers.get(name) for name in TOLD}


FILES = ("all.rss", "all.atom", "all.json", "section-news.rss", "all.html", "feeds.opml", "feeds.css", "")


@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "gzip, deflate, br"])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_same_answer_with_the_same_headers(ours: str, theirs: str, name: str, coding: str, method: str) -> None:
    mine, other = (ask(server, name, method, accept_encoding=coding) for server in (ours, theirs))
    assert other.status_code == mine.status_code == 200
    assert other.content == mine.content
    assert seen(other) == seen(mine)
    assert other.headers["last-modified"] == mine.headers["last-modified"]


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
def test_who_has_it_gets_nothing_by_etag_or_by_date(ours: str, theirs: str, coding: str) -> None:
    for server in (ours, theirs):
        first = ask(server, "all.rss", accept_encoding=coding)
        by_tag = ask(server, "all.rss", accept_encoding=coding, if_none_match=first.headers["etag"])
        by_date = ask(server, "all.rss", accept_encoding=coding, if_modified_since=first.headers["last-modified"])
        for answer in (by_tag, by_date):
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == first.headers["etag"]
            assert answer.headers["vary"] == "Accept-Encoding"
        other = ask(server, "all.rss", accept_encoding=coding, if_none_match='"other"')
        assert other.status_code == 200
    tags = {ask(theirs, "all.rss", accept_encoding=coding).headers["etag"] for coding in ("identity", "gzip", "br")}
    assert len(tags) == 3


def test_parts(ours: str, theirs: str) -> None:
    mine, other = (ask(server, "all.rss", range="bytes=10-29") for server in (ours, theirs))
    assert (other.status_code, other.content) == (mine.status_code, mine.content)
    assert other.headers["content-range"] == mine.headers["content-range"]


def test_what_has_ended_is_gone_and_what_never_was_is_missing(app: App, ours: str, theirs: str) -> None:
    folder = app.parts.folder
    folder.put("ended.rss", b"<rss>one</rss>" * 100, "application/rss+xml")
    for server in (ours, theirs):
        assert ask(server, "ended.rss", accept_encoding="gzip").status_code == 200
    first = {server: ask(server, "ended.rss", accept_encoding="gzip").headers["etag"] for server in (ours, theirs)}
    folder.end("ended.rss")
    for server in (ours, theirs):
        for asked in ({}, {"if_none_match": first[server]}, {"accept_encoding": "gzip"}, {"if_none_match": "*"}):
            answer = ask(server, "ended.rss", **asked)
            assert answer.status_code == 410
            assert answer.headers["access-control-allow-origin"] == "*"
        for elsewhere in (
            "never.rss",
            "never/1.rss",
            "../settings.toml",
            "%2e%2e/settings.toml",
            "../var/publisher.db",
        ):
            assert ask(server, elsewhere).status_code == 404
    folder.remove("ended.rss")
    for server in (ours, theirs):
        assert ask(server, "ended.rss").status_code == 404


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("condition", ["etag", "last-modified"])
def test_versions_of_one_second_and_one_length_are_told_apart(
    app: App, theirs: str, condition: str, coding: str
) -> None:
    sent, name = "", f"quick-{condition}-{coding}.rss"
    for letter in "abcde":
        text = letter.encode() * 1000
        app.parts.folder.put(name, text, "application/rss+xml")
        asked = {"if_none_match" if condition == "etag" else "if_modified_since": sent} if sent else {}
        answer = ask(theirs, name, accept_encoding=coding, **asked)
        assert (answer.status_code, answer.content) == (200, text)
        sent = answer.headers[condition]
    app.parts.folder.remove(name)


def test_everything_else_is_answered_by_us(ours: str, theirs: str) -> None:
    style = requests.get(f"{theirs}/static/public.css", timeout=10)
    assert style.content == requests.get(f"{ours}/static/public.css", timeout=10).content
