"""The vendor's own blob client judges the emulated Blob service."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, ContainerClient

from tests.emulators.azure.rest import Rest
from tridock.emulators.azure.core.signature import Signatures
from tridock.emulators.azure.http.front import ACCOUNT


@pytest.fixture(scope="module")
def account(environment: Mapping[str, str]) -> str:
    """Return the account's address on this machine: a test's own process has no proxy."""
    return f"{environment['TRIDOCK_AZURE_LOCAL']}/_storage/{ACCOUNT}"


def opened(account: str, environment: Mapping[str, str], name: str, sas: str) -> ContainerClient:
    trusted = environment["REQUESTS_CA_BUNDLE"]
    return ContainerClient(account, name, sas, connection_verify=trusted, retry_total=0)


@pytest.fixture
def container(
    account: str, environment: Mapping[str, str], signatures: Signatures
) -> Iterator[ContainerClient]:
    with opened(account, environment, "judged", signatures.sign()) as client:
        client.create_container()
        yield client
        client.delete_container()


def test_a_container_is_made_once(container: ContainerClient) -> None:
    with pytest.raises(ResourceExistsError):
        container.create_container()


def test_bytes_come_back_whole_and_in_ranges(container: ContainerClient) -> None:
    data = os.urandom(100_000)
    container.upload_blob("folder/a b.bin", data, metadata={"team": "x"})
    blob = container.get_blob_client("folder/a b.bin")
    assert blob.download_blob().readall() == data
    assert blob.download_blob(offset=10, length=20).readall() == data[10:30]
    found = blob.get_blob_properties()
    assert (found.size, found.metadata) == (len(data), {"team": "x"})


def test_blocks_make_a_blob_in_the_order_of_their_list(container: ContainerClient) -> None:
    blob = container.get_blob_client("blocks")
    for name in ("one", "two"):
        blob.stage_block(name, name.encode())
    blob.commit_block_list([BlobBlock("two"), BlobBlock("one")])
    assert blob.download_blob().readall() == b"twoone"


def test_names_are_listed_by_prefix_in_pages_and_as_folders(container: ContainerClient) -> None:
    for name in ("a/1", "a/2", "a/3", "b"):
        container.upload_blob(name, name)
    assert [one.name for one in container.list_blobs("a/", results_per_page=2)] == [
        "a/1",
        "a/2",
        "a/3",
    ]
    assert [one.name for one in container.walk_blobs()] == ["a/", "b"]


def test_an_existing_blob_is_not_overwritten_by_accident(container: ContainerClient) -> None:
    container.upload_blob("once", b"1")
    with pytest.raises(ResourceExistsError):
        container.upload_blob("once", b"2")
    container.upload_blob("once", b"3", overwrite=True)
    assert container.download_blob("once").readall() == b"3"


def test_what_is_deleted_is_not_found(container: ContainerClient) -> None:
    container.upload_blob("gone", b"1")
    container.delete_blob("gone")
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("gone")


@pytest.mark.parametrize(
    ("sas", "error"),
    [
        (lambda own: own.sign(hours=-1), ClientAuthenticationError),
        (lambda own: own.sign().replace("sp=rwdl", "sp=rwd"), ClientAuthenticationError),
        (lambda own: own.sign(permissions="r"), HttpResponseError),
    ],
    ids=["expired", "altered", "read only"],
)
def test_a_signature_that_does_not_fit_is_refused(
    container: ContainerClient,
    account: str,
    environment: Mapping[str, str],
    signatures: Signatures,
    sas: Callable[[Signatures], str],
    error: type[Exception],
) -> None:
    with (
        opened(account, environment, "judged", sas(signatures)) as stranger,
        pytest.raises(error) as caught,
    ):
        stranger.upload_blob("x", b"1")
    assert caught.value.status_code == 403  # type: ignore[attr-defined]


def test_nobody_is_refused(rest: Rest) -> None:
    request = rest.client.build_request("GET", f"https://{ACCOUNT}.blob.core.windows.net/judged/x")
    del request.headers["Authorization"]
    assert rest.client.send(request).status_code == 401


@pytest.mark.parametrize(
    ("header", "part"), [("bytes=-3", b"789"), ("bytes=5-2", None), ("bytes=a-b", None)]
)
def test_any_range_is_answered(
    container: ContainerClient,
    signatures: Signatures,
    rest: Rest,
    header: str,
    part: bytes | None,
) -> None:
    data = b"0123456789"
    container.upload_blob("ranged", data)
    url = f"https://{ACCOUNT}.blob.core.windows.net/judged/ranged?{signatures.sign()}"
    request = rest.client.build_request("GET", url, headers={"range": header})
    del request.headers["Authorization"]
    answer = rest.client.send(request)
    assert (answer.status_code, answer.content) == ((206, part) if part else (200, data))
