"""Times personalised messages to Postfix's smtp-sink, ours beside its own smtp-source and smtplib's:
`python -m benchmarks.smtp --messages 8000 --connections 1 2 4`.

Ours is a whole delivery, ledger included: the plan, and for every 40 messages the claim, one more look at each reader,
the intent, the bytes and the outcomes, in a SQLite file with fsync. The others send one ready message again and again
over connections that stay. Rounds alternate; what counts is the median of their ratios, as both halves of a round meet
the same machine. The commits with fsync a second are measured before each. smtp-sink is one process: what it spends on
a message, told beside, is a limit for everybody.
"""

from __future__ import annotations

import argparse
import os
import resource
import smtplib
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.ledger import DAILY, NOW, Ledger, commits, digest, opened
from publisher.kit.dkim import Signer
from publisher.kit.message import fill, message_id, mould
from publisher.mailers.smtp import Smtp
from publisher.model import Letter

POSTFIX = "/usr/sbin"
HOST = "127.0.0.1"
ROUNDS = 5


def ours(ledger: Ledger, mailer: Smtp, slot: str, size: int, count: int) -> None:
    ledger.deliver(ledger.planned(slot, digest(size), mailer, count), mailer)


def smtp_source(port: int, count: int, size: int, connections: int) -> None:
    how = ["-d", "-s", str(connections), "-m", str(count), "-l", str(size)]
    subprocess.run([f"{POSTFIX}/smtp-source", *how, f"{HOST}:{port}"], check=True)


def by_smtplib(port: int, payload: bytes, count: int, connections: int) -> None:
    def send(share: int) -> None:
        with smtplib.SMTP(HOST, port) as connection:
            for n in range(share):
                connection.sendmail("daily@harbour-gazette.example", [f"reader{n}@reader.example"], payload)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, [count // connections] * connections))


class Sink(NamedTuple):
    port: int
    process: int

    def cpu(self) -> float:
        """Seconds it has spent."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)


@contextmanager
def sink() -> Iterator[Sink]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([f"{POSTFIX}/smtp-sink", *user, f"{HOST}:{port}", "64"])
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, port), 1):
                break
        yield Sink(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def signers() -> dict[str, Signer]:
    keys: dict[str, rsa.RSAPrivateKey | Ed25519PrivateKey] = {
        "RSA-2048": rsa.generate_private_key(65537, 2048),
        "Ed25519": Ed25519PrivateKey.generate(),
    }
    return {
        kind: Signer.load(
            "harbour-gazette.example",
            "quay",
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        for kind, key in keys.items()
    }


def compare(ledger: Ledger, server: Sink, count: int, size: int, connections: int) -> None:
    payload = one_message(size)
    port = server.port
    mailer = partial(Smtp, "smtp", HOST, port=port, security="none", connections=connections)
    runs: dict[str, Callable[[str], None]] = {
        "smtp-source (C)": lambda _: smtp_source(port, count, len(payload), connections),
        "ours, unsigned": lambda slot: ours(ledger, mailer(), slot, size, count),
        "smtplib": lambda _: by_smtplib(port, payload, count, connections),
    }
    for kind, signer in signers().items():
        signing = mailer(signer=signer)
        runs[f"ours, DKIM {kind}"] = partial(_signed, ledger, signing, size, count)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    taking: dict[str, list[float]] = {name: [] for name in runs}
    synced = []
    for number in range(ROUNDS):
        synced.append(commits(ledger.root))
        for name, run in runs.items():
            began, used, took = time.perf_counter(), cpu(), server.cpu()
            run(f"{connections} {name} {number}")
            seconds[name].append(time.perf_counter() - began)
            spent[name].append((cpu() - used) / count * 1000)
            taking[name].append((server.cpu() - took) / count * 1000)
    print(f"\n{count} messages of {len(payload) // 1000} KB, {connections} connections, {ROUNDS} rounds; ", end="")
    print(f"{statistics.median(synced):,.0f} fsync/s")
    print(f"{'':20} {'messages/s':>11} {'/ smtp-source':>14} {'/ smtplib':>10} {'CPU ms/message':>15} {'its sink':>9}")
    for name, taken in seconds.items():
        by = [ratio(seconds[peer], taken) for peer in ("smtp-source (C)", "smtplib")]
        print(f"{name:20} {count / statistics.median(taken):11,.0f} {by[0]:14.2f} {by[1]:10.2f} ", end="")
        print(f"{statistics.median(spent[name]):15.2f} {statistics.median(taking[name]):9.2f}")


def cpu() -> float:
    """Seconds of this process and of the children that have ended: all but smtp-sink's."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def ratio(peer: list[float], taken: list[float]) -> float:
    """How many times as fast as the peer, round by round."""
    return statistics.median(theirs / mine for theirs, mine in zip(peer, taken, strict=True))


def _signed(ledger: Ledger, mailer: Smtp, size: int, count: int, slot: str) -> None:
    ours(ledger, mailer, slot, size, count)


def one_message(size: int) -> bytes:
    letter = Letter(
        position=0,
        email="reader0@readers.example",
        name="Reader 0",
        variant=1,
        message_id=message_id("daily", "daily:2026-11-22", bytes(12), "harbour-gazette.example"),
        unsubscribe_url=f"https://news.harbour-gazette.example/u/{0:060d}",
    )
    form = mould(digest(size), sender=DAILY.sender, reply_to="", list_id="daily.harbour-gazette.example", date=NOW)
    return fill(form, letter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=70_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), options.messages) as ledger, sink() as server:
        for connections in options.connections:
            compare(ledger, server, options.messages, options.bytes, connections)


if __name__ == "__main__":
    main()
