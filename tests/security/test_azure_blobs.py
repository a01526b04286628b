"""Blobs of the emulated Azure are for tokens, keys and signatures that allow the request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.storage.blob import (
    BlobServiceClient,
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from tests.emulators.azure.rest import WORKSPACE, Rest, httpx_put
from tests.emulators.azure.strangers import bare, code
from tridock.emulators import daemon
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.entra import CLIENT, TENANT, Entra
from tridock.emulators.azure.http.front import ACCOUNT
from tridock.emulators.place import Place

MANAGEMENT = "https://management.azure.com"
STORAGE = "https://storage.azure.com"
BLOBS = f"https://{ACCOUNT}.blob.core.windows.net"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("azure", tmp_path_factory.mktemp("state"), speed=600.0)
    daemon.up(place)
    yield place
    daemon.down(place)


@pytest.fixture(scope="module")
def rest(place: Place) -> Iterator[Rest]:
    rest = Rest.open(daemon.environment(place))
    yield rest
    rest.client.close()


@pytest.fixture(scope="module")
def entra(place: Place) -> Entra:
    """Return what signs tokens as the emulator does, to make those that a clock would."""
    return Entra(Credentials.at(place))


@pytest.mark.parametrize(
    ("authorization", "wanted"),
    [
        ("", (401, "NoAuthenticationInformation")),
        ("Bearer foreign", (401, "InvalidAuthenticationInfo")),
        (f"SharedKey {ACCOUNT}:AAAA", (403, "AuthenticationFailed")),
        ("SharedKey other:AAAA", (403, "AuthenticationFailed")),
    ],
)
def test_blobs_are_refused_to_strangers(
    rest: Rest, authorization: str, wanted: tuple[int, str]
) -> None:
    sent = {"Authorization": authorization} if authorization else {}
    answer = bare(rest, "GET", f"{BLOBS}/azureml-blobstore-1/x", **sent)
    assert code(answer) == wanted
    assert answer.headers["content-type"] == "application/xml"


def test_blobs_take_tokens_for_storage_only(rest: Rest, entra: Entra) -> None:
    url = f"{BLOBS}/azureml-blobstore-1/x"
    for token in (entra.issue(MANAGEMENT), entra.issue(STORAGE, lifetime=-1)):
        answer = bare(rest, "GET", url, Authorization=f"Bearer {token}")
        assert code(answer) == (401, "InvalidAuthenticationInfo")
    answer = bare(rest, "GET", url, Authorization=f"Bearer {rest.token(STORAGE)}")
    assert code(answer) == (404, "BlobNotFound")


@pytest.fixture(scope="module")
def account_key(rest: Rest) -> str:
    group = WORKSPACE.partition("/providers/")[0]
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}/listKeys"
    return str(rest.arm("POST", path).json()["keys"][0]["value"])


def service(place: Place, credential: Any) -> BlobServiceClient:
    """Return the vendor's client; a test's own process has no proxy."""
    variables = daemon.environment(place)
    url = f"{variables['TRIDOCK_AZURE_LOCAL']}/_storage/{ACCOUNT}"
    trusted = variables["REQUESTS_CA_BUNDLE"]
    return BlobServiceClient(url, credential, connection_verify=trusted, retry_total=0)


def test_the_vendors_client_writes_by_shared_key(place: Place, account_key: str) -> None:
    named = {"account_name": ACCOUNT, "account_key": account_key}
    with service(place, named) as client:
        container = client.create_container("keyed")
        container.upload_blob("a b/ü.bin", b"x", metadata={"team": "a"})
        assert container.download_blob("a b/ü.bin").readall() == b"x"
        assert [one.name for one in container.list_blobs("a b/")] == ["a b/ü.bin"]
    with (
        service(place, {**named, "account_key": "d3Jvbmc="}) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        client.create_container("wrong")
    assert refused.value.status_code == 403


@pytest.fixture(scope="module")
def lent(place: Place) -> UserDelegationKey:
    """Return a key that the vendor's client asks for as the identity that it is."""
    variables = daemon.environment(place)
    identity = ClientSecretCredential(
        TENANT,
        CLIENT,
        variables["AZURE_CLIENT_SECRET"],
        authority=variables["TRIDOCK_AZURE_LOCAL"],
        disable_instance_discovery=True,
        connection_verify=variables["REQUESTS_CA_BUNDLE"],
    )
    with identity, service(place, identity) as client:
        return client.get_user_delegation_key(in_hours(-1), in_hours(1))


def in_hours(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


@pytest.mark.parametrize("kind", ["account", "container", "blob", "delegated"])
def test_a_signature_of_the_vendors_library_opens_what_it_says_for_its_time(
    rest: Rest, account_key: str, lent: UserDelegationKey, kind: str
) -> None:
    folder = rest.upload({"score.py": b"x"})
    container, name = folder.split("/")[3], "src/score.py"

    def signed(hours: float) -> str:
        life: dict[str, Any] = {"permission": "r", "expiry": in_hours(hours)}
        if kind == "account":
            types = ResourceTypes(object=True)
            return generate_account_sas(ACCOUNT, account_key, types, **life)
        if kind == "container":
            return generate_container_sas(ACCOUNT, container, account_key, **life)
        by: dict[str, Any] = {"account_key": account_key}
        by = {"user_delegation_key": lent} if kind == "delegated" else by
        return generate_blob_sas(ACCOUNT, container, name, **by, **life)

    blob = f"{BLOBS}/{container}/{name}"
    query = signed(0.5)
    assert bare(rest, "GET", f"{blob}?{query}").content == b"x"
    other = bare(rest, "GET", f"{BLOBS}/{container}/src/other.py?{query}").status_code
    assert other == (404 if kind in ("account", "container") else 403)
    assert code(httpx_put(rest.client, f"{blob}?{query}", b"y", {})) == (
        403,
        "AuthorizationPermissionMismatch",
    )
    for altered in (query.replace("sp=r", "sp=rw"), query[:-9] + "AAAAAA%3D", signed(-0.1)):
        assert code(bare(rest, "GET", f"{blob}?{altered}")) == (403, "AuthenticationFailed")
