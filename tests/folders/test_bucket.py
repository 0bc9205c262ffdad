"""A bucket, held by a server that speaks S3 and is not ours (moto)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from moto.server import ThreadedMotoServer

from publisher.errors import FolderError
from publisher.folders.bucket import Bucket
from publisher.ports import Folder
from tests.contracts.folder_cases import RSS, FolderCases

KEYS = {"key_id": "AKIAEXAMPLE", "secret": "not-a-secret"}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> object:
    keys = {"aws_access_key_id": KEYS["key_id"], "aws_secret_access_key": KEYS["secret"]}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)


@pytest.fixture
def bucket(s3: object) -> str:
    name = f"gazette-{next(_numbers)}"
    s3.create_bucket(Bucket=name)  # type: ignore[attr-defined]
    return name


@pytest.fixture
def folder(endpoint: str, bucket: str) -> Bucket:
    return Bucket(bucket, "news/feeds", endpoint=endpoint, **KEYS)


class TestBucket(FolderCases):
    @pytest.fixture
    def folder(self, endpoint: str, bucket: str) -> Folder:
        return Bucket(bucket, "news/feeds", endpoint=endpoint, **KEYS)


class TestWholeBucket(FolderCases):
    @pytest.fixture
    def folder(self, endpoint: str, bucket: str) -> Folder:
        return Bucket(bucket, endpoint=endpoint, **KEYS)


def test_an_object_says_what_it_is_and_how_long_it_may_be_kept(folder: Bucket, s3: object, bucket: str) -> None:
    folder.put("all.rss", b"<rss/>", RSS)
    told = s3.head_object(Bucket=bucket, Key="news/feeds/all.rss")  # type: ignore[attr-defined]
    assert (told["ContentType"], told["CacheControl"]) == (RSS, "public, max-age=300")


def test_the_same_bytes_are_not_sent_again(folder: Bucket, s3: object, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})  # type: ignore[attr-defined]
    for data in (b"<rss>1</rss>", b"<rss>1</rss>", b"<rss>2</rss>"):
        folder.put("all.rss", data, RSS)
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]  # type: ignore[attr-defined]
    assert len(versions) == 2


def test_what_others_keep_in_the_bucket_is_not_ours(folder: Bucket, s3: object, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="pictures/boat.jpg", Body=b"boat")  # type: ignore[attr-defined]
    folder.put("all.rss", b"<rss/>", RSS)
    assert list(folder.names()) == ["all.rss"]


def test_more_files_than_one_answer_of_a_store_lists(folder: Bucket, s3: object, bucket: str) -> None:
    names = [f"section-{number:04}.rss" for number in range(1005)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: s3.put_object(Bucket=bucket, Key=f"news/feeds/{name}", Body=b""), names))  # type: ignore[attr-defined]
    assert list(folder.names()) == names


def test_a_bucket_that_is_not_there_is_named_with_the_remedy(endpoint: str) -> None:
    folder = Bucket("nobody", endpoint=endpoint, **KEYS)
    for attempt in (folder.check, lambda: folder.put("all.rss", b"<rss/>", RSS)):
        with pytest.raises(FolderError, match=r"s3://nobody/.* cannot be written: there is no such bucket"):
            attempt()


def test_a_store_that_does_not_answer_is_named(bucket: str) -> None:
    folder = Bucket(bucket, endpoint="http://127.0.0.1:9", **KEYS)
    with pytest.raises(FolderError, match="the store cannot be reached; correct"):
        folder.get("all.rss")
    assert KEYS["secret"] not in repr(folder)
