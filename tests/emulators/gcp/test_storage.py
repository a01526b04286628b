"""Cloud Storage, by Google's own client."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.oauth2.credentials import Credentials

from tests.emulators.gcp.conftest import Api

BIG = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def bucket(api: Api, variables: Mapping[str, str]) -> Iterator[storage.Bucket]:
    credentials = Credentials(variables["TRIDOCK_GCP_TOKEN"])
    client = storage.Client("kit", credentials, client_options={"api_endpoint": api.url})
    made = client.create_bucket("kit-storage")
    yield made
    made.delete(force=True)
    client.close()


def test_what_is_written_is_read(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a folder/ünïcode?.bin")
    blob.metadata = {"kit": "1"}
    blob.upload_from_string(BIG, content_type="application/x-kit")
    found = bucket.get_blob("a folder/ünïcode?.bin")
    assert found.download_as_bytes() == BIG
    assert (found.content_type, found.metadata) == ("application/x-kit", {"kit": "1"})
    assert found.download_as_bytes(start=5, end=9) == BIG[5:10]


def test_an_upload_in_parts_is_put_together(bucket: storage.Bucket) -> None:
    blob = bucket.blob("resumed", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(BIG))
    assert blob.download_as_bytes() == BIG


def test_preconditions_are_kept(bucket: storage.Bucket) -> None:
    blob = bucket.blob("once")
    blob.upload_from_string(b"1", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once").upload_from_string(b"2", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    blob.upload_from_string(b"3", if_generation_match=blob.generation)
    assert blob.download_as_bytes() == b"3"


def test_lists_have_prefixes_and_pages(bucket: storage.Bucket) -> None:
    names = [f"list/{part}/{n}" for part in "ab" for n in range(3)]
    for name in names:
        bucket.blob(name).upload_from_string(b"")
    listed = bucket.client.list_blobs(bucket, prefix="list/", page_size=2)
    assert [blob.name for blob in listed] == names
    folders = bucket.client.list_blobs(bucket, prefix="list/", delimiter="/")
    assert list(folders) == []
    assert folders.prefixes == {"list/a/", "list/b/"}


def test_objects_are_copied_composed_and_changed(bucket: storage.Bucket) -> None:
    one, two = bucket.blob("one"), bucket.blob("two")
    one.upload_from_string(b"1")
    bucket.copy_blob(one, bucket, "two")
    both = bucket.blob("both")
    both.compose([one, two])
    assert both.download_as_bytes() == b"11"
    one.metadata = {"changed": "yes"}
    one.patch()
    assert bucket.get_blob("one").metadata == {"changed": "yes"}


def test_what_is_absent_is_not_found(bucket: storage.Bucket) -> None:
    assert bucket.get_blob("never") is None
    with pytest.raises(exceptions.NotFound):
        bucket.blob("never").delete()
    with pytest.raises(exceptions.Conflict):
        bucket.client.create_bucket("kit-storage")


def test_a_damaged_upload_is_refused(api: Api, bucket: storage.Bucket) -> None:
    body = (
        b'--x\r\nContent-Type: application/json\r\n\r\n{"name": "bad", "md5Hash": "AAAA"}\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--"
    )
    answer = api.session.post(
        f"{api.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
        data=body,
        headers={"Content-Type": "multipart/related; boundary=x"},
        timeout=600,
    )
    assert answer.status_code == 400
    assert bucket.get_blob("bad") is None
