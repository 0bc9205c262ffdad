"""Times the built-in server beside nginx, in one run: `python -m benchmarks.serving`.

One feed of 50 entries, one worker each, the same client (wrk) for all, in turns: who has the feed (304), who gets it
compressed (200), and who gets it plain. Then nginx with the configuration we hand out beside nginx with none.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.feeds import SETTINGS, SITE, _site, made
from publisher import syndicate
from publisher.app import formats
from publisher.folders.local import LocalFolder
from publisher.model import Feed

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "nginx.conf"
BROTLI = "/usr/lib/nginx/modules/ngx_http_brotli_static_module.so"
PLAIN = "server {{ listen 127.0.0.1:{port}; location /feeds/ {{ root {site}; }} }}"
NGINX = """
{modules}
daemon off;
{user}
pid {work}/pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {work}/1;
    proxy_temp_path {work}/2;
    fastcgi_temp_path {work}/3;
    uwsgi_temp_path {work}/4;
    scgi_temp_path {work}/5;
    {servers}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        root = Path(scratch)
        root.chmod(0o755)
        size = lay_out(root / "site")
        ours, ready, plain = (free_port() for _ in range(3))
        running.enter_context(publisher(root / "site", ours))
        running.enter_context(nginx(root / "nginx", root / "site", ready, plain))
        ports = {"the built-in server": ours, "nginx, our configuration": ready, "nginx, none": plain}
        print(f"all.rss of 50 entries, {size:,} bytes; requests a second, median of {options.rounds} rounds")
        for what, headers in asks(ports).items():
            compare(what, ports, headers, options.rounds, options.seconds)


def lay_out(site: Path) -> int:
    """A site whose folder holds one feed. The size of the feed."""
    site.mkdir()
    (site / "settings.toml").write_text(SETTINGS)
    (site / "articles").mkdir()
    feed = Feed(slug="all", title="Everything", home_url=SITE, language="en", limit=50)
    document = syndicate.document(feed, [made(number) for number in range(50)], site=_site())
    data = formats()["rss"].write(document)
    LocalFolder(site / "feeds", compressed=("gzip", "br")).put("all.rss", data, "application/rss+xml")
    then = time.time() - 1000
    for path in (site / "feeds").iterdir():
        os.utime(path, (then, then))
    return len(data)


def asks(ports: Mapping[str, int]) -> dict[str, dict[str, dict[str, str]]]:
    """By kind of request: the headers for each server."""
    has = {}
    for name, port in ports.items():
        with urlopen(Request(f"http://127.0.0.1:{port}/feeds/all.rss")) as answer:
            has[name] = {"If-None-Match": answer.headers["ETag"]}
    plain: dict[str, dict[str, str]] = {name: {} for name in ports}
    gzip = {name: {"Accept-Encoding": "gzip"} for name in ports if name != "nginx, none"}
    return {"304": has, "200, gzip": gzip, "200, plain": plain}


def compare(
    what: str, ports: Mapping[str, int], headers: Mapping[str, Mapping[str, str]], rounds: int, seconds: int
) -> None:
    """In turns, so that what else the machine does strikes all alike."""
    rates: dict[str, list[float]] = {name: [] for name in headers}
    for _ in range(rounds):
        for name, told in headers.items():
            rates[name].append(load(ports[name], told, seconds))
    told = ", ".join(f"{name} {statistics.median(values):,.0f}" for name, values in rates.items())
    print(f"{what:11} {told}")
    ours = ratio(rates["the built-in server"], rates["nginx, our configuration"])
    print(f"{'':11} the built-in server / nginx: {ours:.2f}")
    if "nginx, none" in rates:
        equal = ratio(rates["nginx, our configuration"], rates["nginx, none"])
        print(f"{'':11} nginx with our configuration / with none: {equal:.2f}")


def ratio(these: list[float], those: list[float]) -> float:
    """The median over rounds, each against its own neighbour."""
    return statistics.median(one / other for one, other in zip(these, those, strict=True))


def load(port: int, headers: Mapping[str, str], seconds: int) -> float:
    told = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", *told, f"http://127.0.0.1:{port}/feeds/all.rss"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if not found or "Non-2xx" in done.stdout:
        raise SystemExit(done.stdout + done.stderr)
    return float(found[1])


@contextmanager
def publisher(site: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "publisher", "--site", str(site), "serve", "--port", str(port)]
    with started(command, port):
        yield


@contextmanager
def nginx(work: Path, site: Path, ready: int, plain: int) -> Iterator[None]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed: .ci/system-packages full")
    work.mkdir()
    text = (
        REFERENCE.read_text().replace("/srv/publisher", str(site)).replace("listen 80;", f"listen 127.0.0.1:{ready};")
    )
    user = "user root;" if os.getuid() == 0 else ""
    modules = f"load_module {BROTLI};" if Path(BROTLI).exists() else ""
    if not modules:
        text = text.replace("brotli_static on;", "")
    servers = text + PLAIN.format(port=plain, site=site)
    (work / "nginx.conf").write_text(NGINX.format(work=work, modules=modules, user=user, servers=servers))
    with started([program, "-c", str(work / "nginx.conf"), "-p", str(work)], plain):
        yield


@contextmanager
def started(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        raise SystemExit(f"{command[0]} did not start") from None
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
