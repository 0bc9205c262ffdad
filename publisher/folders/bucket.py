"""A bucket of an object store that speaks S3: Amazon's, Cloudflare R2, MinIO, Ceph and others.

An object is replaced whole or not at all (S3 has been strongly consistent since December 2020). A bucket has one
version of each file and no answer but "not found" for what has ended; `all.rss.gone` tells whoever stands in front of
it. Compressing is for them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from publisher.errors import FolderError
from publisher.folders._shared import GONE, MARK, checked
from publisher.model import MAX_AGE, FileStamp

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

_PATIENCE = {"connect_timeout": "5s", "timeout": "30s"}
_RETRIES = 3
_PROBE = "publisher-check"


class Bucket:
    """Implements `ports.Folder`. What goes wrong is a FolderError that names the file; the last version stays."""

    near = False
    copies: tuple[str, ...] = ()

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str = "", region: str = "", key_id: str = "", secret: str = ""
    ) -> None:
        """`endpoint` is where the store answers, "" for Amazon's. Without keys the store's own library looks for
        them, as on a machine that has a role."""
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self.place = f"s3://{bucket}/{self._prefix}".rstrip("/")
        keys = {"access_key_id": key_id, "secret_access_key": secret} if key_id else {}
        self._options = {**({"endpoint": endpoint} if endpoint else {}), "region": region or "us-east-1", **keys}
        self._opened: S3Store | None = None

    def put(self, name: str, data: bytes, media_type: str) -> bool:
        target = self._target(name)
        with self._named(name, "written"):
            there = self._head(target)
            if there is not None and self._holds(target, there, data):
                return False
            self._write(target, data, media_type)
            if there is None:  # else it cannot have ended
                self._delete(target + GONE)
        return True

    def put_all(self, files: Sequence[tuple[str, bytes, str]]) -> tuple[str, ...]:
        return tuple(name for name, data, media_type in files if self.put(name, data, media_type))

    def get(self, name: str) -> bytes | None:
        target = self._target(name)
        with self._named(name, "read"):
            return self._read(target)

    def stamp(self, name: str) -> FileStamp | None:
        target = self._target(name)
        with self._named(name, "read"):
            found = self._head(target)
        if found is None:
            return None
        return FileStamp(f"{found['e_tag']} {found['size']}", found["last_modified"].timestamp())

    def end(self, name: str) -> None:
        target = self._target(name)
        with self._named(name, "removed"):
            if self._head(target) is not None:
                self._write(target + GONE, MARK, "text/plain; charset=utf-8")
                self._delete(target)

    def is_gone(self, name: str) -> bool:
        target = self._target(name)
        with self._named(name, "read"):
            return self._head(target + GONE) is not None

    def remove(self, name: str) -> None:
        target = self._target(name)
        with self._named(name, "removed"):
            self._delete(target)
            self._delete(target + GONE)

    def names(self) -> Iterator[str]:
        import obstore

        with self._named("", "listed"):
            found = [one["path"] for several in obstore.list(self._store, self._prefix or None) for one in several]
        names = (path.removeprefix(f"{self._prefix}/") if self._prefix else path for path in found)
        yield from sorted(name for name in names if not name.endswith(GONE))

    def check(self) -> str:
        """Write and remove a probe. Raises FolderError."""
        with self._named("", "written"):
            target = self._target(_PROBE)
            self._write(target, b"Publisher can write here.\n", "text/plain; charset=utf-8")
            self._delete(target)
        return f"{self.place}, writable"

    # ------------------------------------------------------------ the store's own words

    @property
    def _store(self) -> S3Store:
        if self._opened is None:
            from obstore.store import S3Store  # late: half a site's commands need no folder

            plain = str(self._options.get("endpoint", "")).startswith("http://")
            options: Any = {**_PATIENCE, "allow_http": plain}
            retries: Any = {"max_retries": _RETRIES}
            named: dict[str, Any] = self._options
            self._opened = S3Store(self._bucket, client_options=options, retry_config=retries, **named)
        return self._opened

    def _target(self, name: str) -> str:
        checked(name, self.place)
        return f"{self._prefix}/{name}" if self._prefix else name

    def _holds(self, target: str, there: ObjectMeta, data: bytes) -> bool:
        """An ETag is mostly the MD5 of the object; where it is not (encryption with keys of one's own), the object
        is read."""
        if there["size"] != len(data):
            return False
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return (there["e_tag"] or "").strip('"') == digest or self._read(target) == data

    def _head(self, target: str) -> ObjectMeta | None:
        import obstore

        try:
            return obstore.head(self._store, target)
        except FileNotFoundError:
            return None

    def _read(self, target: str) -> bytes | None:
        import obstore

        try:
            return bytes(obstore.get(self._store, target).bytes())
        except FileNotFoundError:
            return None

    def _write(self, target: str, data: bytes, media_type: str) -> None:
        import obstore

        told = {"Content-Type": media_type, "Cache-Control": f"public, max-age={MAX_AGE}"}
        obstore.put(self._store, target, data, attributes=told, use_multipart=False)

    def _delete(self, target: str) -> None:
        import obstore

        try:
            obstore.delete(self._store, target)
        except FileNotFoundError:
            return

    @contextmanager
    def _named(self, name: str, action: str) -> Iterator[None]:
        """Turn what the library says into the file and what to do. Its messages quote whole answers: a line will do."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            why = _why(error)
            raise FolderError(f"{self.place}/{name} cannot be {action}: {why}", path=f"{self.place}/{name}") from error


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    for sign, remedy in (
        ("NoSuchBucket", "there is no such bucket; create it, or correct [folder] url"),
        ("InvalidAccessKeyId", "the store does not know that key; correct the variable of [folder] key_id_env"),
        ("SignatureDoesNotMatch", "the secret is wrong; correct the variable of [folder] secret_env"),
        ("AccessDenied", "this key may not do that; let it list, read, write and delete there"),
        ("403 Forbidden", "this key may not do that; let it list, read, write and delete there"),
        ("error sending request", "the store cannot be reached; correct [folder] endpoint, or try later"),
    ):
        if sign in text:
            return remedy
    return text[:200]
