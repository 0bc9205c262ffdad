"""Times personalised messages to Postfix's smtp-sink, ours beside its own smtp-source and smtplib's:
`python benchmarks/smtp.py --messages 1000 --connections 1 4`.

Ours makes every message (prepare) and hands it over in batches, one connection each, as a delivery does, but writes no
ledger. The others send one ready message again and again over connections that stay. Rounds alternate, the median
counts, and only the ratios mean anything on another machine.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from publisher.kit.dkim import Signer
from publisher.kit.message import UNSUBSCRIBE_URL, message_id
from publisher.kit.verp import ReturnPaths
from publisher.mailers.smtp import Smtp
from publisher.model import Letter, Mailing, Outcome, Rendered

POSTFIX = "/usr/sbin"
HOST = "127.0.0.1"
ROUNDS = 3


def mailing(count: int, size: int) -> Mailing:
    """One edition to so many readers; a message has about `size` bytes."""
    lines = "".join(f"<p>{n}: the ferry, the tide table and the council's new quay.</p>\n" for n in range(size // 65))
    html = f'<html><body>\n{lines}<a href="{UNSUBSCRIBE_URL}">Leave</a></body></html>\n'
    letters = tuple(
        Letter(
            position=n,
            email=f"reader{n}@reader.example",
            name=f"Reader {n}",
            variant=1,
            message_id=message_id("daily", "daily:2026-11-22", n.to_bytes(12, "big"), "harbour-gazette.example"),
            unsubscribe_url=f"https://news.harbour-gazette.example/u/{n:060d}",
        )
        for n in range(count)
    )
    return Mailing(
        key=str(UUID(int=17)),
        edition="daily/daily:2026-11-22",
        sender="The Harbour Gazette <daily@harbour-gazette.example>",
        reply_to="",
        list_id="The Harbour Gazette Daily <daily.harbour-gazette.example>",
        date=datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
        variants={1: Rendered(subject="The ferry is back", html=html, text="The ferry is back.\n")},
        letters=letters,
    )


def ours(port: int, whole: Mailing, connections: int, signer: Signer | None = None) -> None:
    mailer = Smtp(
        "smtp",
        HOST,
        port=port,
        security="none",
        signer=signer,
        return_paths=ReturnPaths("bounces@harbour-gazette.example", (bytes(32),)),
    )
    size = mailer.capability.batch
    batches = [
        replace(whole, letters=whole.letters[start : start + size]) for start in range(0, len(whole.letters), size)
    ]

    def deliver(batch: Mailing) -> None:
        assert {one.outcome for one in mailer.submit(mailer.prepare(batch))} == {Outcome.ACCEPTED}

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(deliver, batches))


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


@contextmanager
def sink() -> Iterator[int]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([f"{POSTFIX}/smtp-sink", *user, f"{HOST}:{port}", "64"])
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, port), 1):
                break
        yield port
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


def compare(port: int, count: int, size: int, connections: int) -> None:
    whole = mailing(count, size)
    (payload,) = Smtp("smtp", HOST).prepare(replace(whole, letters=whole.letters[:1])).payloads
    runs: dict[str, Callable[[], None]] = {
        "smtp-source (C)": lambda: smtp_source(port, count, len(payload), connections),
        "smtplib": lambda: by_smtplib(port, payload, count, connections),
        "ours, unsigned": lambda: ours(port, whole, connections),
    }
    for kind, signer in signers().items():
        runs[f"ours, DKIM {kind}"] = partial(ours, port, whole, connections, signer)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    rates = {name: count / statistics.median(taken) for name, taken in seconds.items()}
    print(f"\n{count} messages of {len(payload) // 1000} KB, {connections} connections")
    print(f"{'':20} {'messages/s':>11} {'/ smtp-source':>14} {'/ smtplib':>10}")
    for name, rate in rates.items():
        print(f"{name:20} {rate:11,.0f} {rate / rates['smtp-source (C)']:14.2f} {rate / rates['smtplib']:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=70_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args()
    with sink() as port:
        for connections in options.connections:
            compare(port, options.messages, options.bytes, connections)


if __name__ == "__main__":
    main()
