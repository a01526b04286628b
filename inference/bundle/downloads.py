"""Bundles in a bucket or a blob container, downloaded: what some clouds give a container.

Vertex AI gives its own copy in Cloud Storage, Container Apps and Container Instances a folder of
Azure Blob storage.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

from tridock.inference.cloud_hosts import AZURE_BLOBS, is_of, opened
from tridock.inference.errors import BundleError, BundleMissingError

#: Google Cloud Storage, «JSON API overview»; its emulators are named by `EMULATOR`.
SERVICE = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"
#: Compute Engine, «About VM metadata»: the only source of credentials in a Vertex container.
TOKEN = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105
TIMEOUT_SECONDS = 60


class Files(Protocol):
    """Files by name, on some cloud."""

    def names(self, prefix: str) -> Iterator[str]:
        """List the files whose name begins with `prefix`."""
        ...

    def fetch(self, name: str, to: Path) -> None:
        """Copy one to the file `to`; its directory is made."""
        ...


@dataclass(frozen=True)
class Bucket:
    """A bucket, read over HTTP.

    Attributes
    ----------
    name : str
        The bucket.
    service : str
        Address of the storage service, without a trailing slash.
    headers : Mapping[str, str]
        Sent with every request; the credentials, if there are any.
    """

    name: str
    service: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def names(self, prefix: str) -> Iterator[str]:
        """List the objects whose name begins with `prefix`."""
        page: dict[str, str] = {}
        while True:
            query = urlencode({"prefix": prefix, **page})
            with self._get(f"?{query}") as answer:
                listed = json.load(answer)
            yield from (item["name"] for item in listed.get("items", ()))
            if not (token := listed.get("nextPageToken")):
                return
            page = {"pageToken": token}

    def fetch(self, name: str, to: Path) -> None:
        """Copy an object to the file `to`; its directory is made."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._get(f"/{quote(name, safe='')}?alt=media") as answer, to.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def _get(self, path: str) -> Any:
        url = f"{self.service}/storage/v1/b/{quote(self.name, safe='')}/o{path}"
        request = urllib.request.Request(url, headers=dict(self.headers))
        return _answered(
            request,
            self.service,
            f" for bucket {self.name}: does it exist, and may the container's service account read "
            "it?",
        )


def download(uri: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Copy a bundle from a bucket to a directory of this machine, and return that.

    Parameters
    ----------
    uri : str
        ``gs://bucket/prefix``, or a folder's address in Azure Blob storage: `container`.
    environment : Mapping[str, str], optional
        Names an emulator, or does not: then the container's own identity is used.

    Raises
    ------
    BundleMissingError
        If the bucket cannot be read, or nothing lies under the prefix.
    BundleError
        If an object's name leads out of the directory.
    """
    files, folder = _opened(uri, environment)
    shown = uri.partition("?")[0]  # what follows may be a signature
    prefix = f"{folder}/" if folder else ""
    names = [name for name in files.names(prefix) if not name.endswith("/")]
    if not names:
        raise BundleMissingError(f"{shown} holds nothing: copy the bundle's files there")
    paths = {name: PurePosixPath(name.removeprefix(prefix)) for name in names}
    for name, path in paths.items():
        if path.is_absolute() or ".." in path.parts:
            raise BundleError(f"the object {name!r} in {shown} leads out of the bundle")
    to = Path(tempfile.mkdtemp(prefix="bundle-"))
    with ExitStack() as failure:
        failure.callback(shutil.rmtree, to, ignore_errors=True)
        for name, path in paths.items():
            files.fetch(name, to / path)
        failure.pop_all()
    return to


def _opened(uri: str, environment: Mapping[str, str]) -> tuple[Files, str]:
    """Return what holds a bundle's files, and the folder of it they lie in."""
    if is_blob(uri):
        files, folder = container(uri, environment)
        return files, folder.strip("/")
    parts = urlsplit(uri)
    return _bucket(parts.netloc, environment), parts.path.strip("/")


def _bucket(name: str, environment: Mapping[str, str]) -> Bucket:
    emulator = environment.get(EMULATOR, "").rstrip("/")
    if emulator:
        return Bucket(name, emulator if "://" in emulator else f"http://{emulator}")
    return Bucket(name, SERVICE, {"Authorization": f"Bearer {_google_token()}"})


def _answered(request: urllib.request.Request, place: str, advice: str) -> Any:
    """Return the storage's answer, to be closed; raise `BundleMissingError` if it is an error."""
    try:
        return opened(request, seconds=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            text = f"{place} answers {error.code} {error.reason}{advice}"
            raise BundleMissingError(text) from error
    except OSError as error:
        raise BundleMissingError(f"{place} cannot be reached: {error}") from error


def _token(request: urllib.request.Request, refusal: str) -> str:
    """Return the token that a metadata service answers; `refusal` has a place for the error."""
    try:
        with opened(request, seconds=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["access_token"])
    except (OSError, ValueError, KeyError) as error:
        raise BundleMissingError(refusal.format(error)) from error


def _google_token() -> str:
    return _token(
        urllib.request.Request(TOKEN, headers={"Metadata-Flavor": "Google"}),
        "no credentials to read a bucket with: the metadata service says {}. Outside of Google "
        "Cloud download the bundle and pass --bundle DIR",
    )


# Azure Blob storage.

#: Azure Storage, «Versioning for the Azure Storage services»: the format of requests and answers.
VERSION = "2021-12-02"
#: Where tokens are for: «Authorize access to blobs using Microsoft Entra ID».
RESOURCE = "https://storage.azure.com/"
#: «Azure Instance Metadata Service»: used where the service names no endpoint of its own.
METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
#: Variable of ours: id of the user-assigned identity to be; without it, the only one there is.
IDENTITY = "TRIDOCK_IDENTITY_ID"


@dataclass(frozen=True)
class BlobContainer:
    """A blob container, read over HTTP.

    Attributes
    ----------
    address : str
        Of the container, without a trailing slash.
    query : Mapping[str, str]
        A shared access signature's fields, sent with every request; or none.
    headers : Mapping[str, str]
        Sent with every request; the token, if there is one.
    """

    address: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def names(self, prefix: str) -> Iterator[str]:
        """List the blobs whose name begins with `prefix`."""
        wanted = {"restype": "container", "comp": "list", "prefix": prefix}
        page: dict[str, str] = {}
        while True:
            with self._get("", {**wanted, **page}) as answer:
                # What answers is the storage that the bundle, which is code, is taken from.
                listed = ElementTree.parse(answer).getroot()  # noqa: S314
            yield from (each.text or "" for each in listed.iterfind("Blobs/Blob/Name"))
            if not (marker := listed.findtext("NextMarker")):
                return
            page = {"marker": marker}

    def fetch(self, name: str, to: Path) -> None:
        """Copy a blob to the file `to`; its directory is made."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with self._get(f"/{quote(name)}", {}) as answer, to.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        url = f"{self.address}{path}?{urlencode({**query, **self.query})}"
        request = urllib.request.Request(url, headers={"x-ms-version": VERSION, **self.headers})
        return _answered(
            request,
            self.address,
            ": does the container exist, and may the identity (role Storage Blob Data Reader) or "
            "the signature read it?",
        )


def is_blob(uri: str) -> bool:
    """Return whether `uri` is an address in Azure Blob storage: a token is sent to no other."""
    return is_of(uri, AZURE_BLOBS)


def container(uri: str, environment: Mapping[str, str]) -> tuple[BlobContainer, str]:
    """Return the blob container of an address, and the folder in it.

    Parameters
    ----------
    uri : str
        ``https://account.blob.core.windows.net/container/folder``; with a shared access
        signature as its query, that is used, and else the managed identity.
    environment : Mapping[str, str]
        Where the service names its endpoint for tokens.

    Raises
    ------
    BundleMissingError
        If there is no signature, and no identity either.
    """
    parts = urlsplit(uri)
    name, _, folder = unquote(parts.path).strip("/").partition("/")
    address = f"https://{parts.netloc}/{quote(name)}"
    signature = dict(parse_qsl(parts.query))
    if signature:
        return BlobContainer(address, signature), folder
    token = {"Authorization": f"Bearer {_azure_token(environment)}"}
    return BlobContainer(address, headers=token), folder


def _azure_token(environment: Mapping[str, str]) -> str:
    """Ask for a token as «How to use managed identities for App Service» says, or the metadata."""
    query, headers, url = {"resource": RESOURCE}, {"Metadata": "true"}, METADATA
    query["api-version"] = "2018-02-01"
    if environment.get("IDENTITY_ENDPOINT"):
        url, query["api-version"] = environment["IDENTITY_ENDPOINT"], "2019-08-01"
        headers = {"X-IDENTITY-HEADER": environment.get("IDENTITY_HEADER", "")}
    if environment.get(IDENTITY):
        query["mi_res_id" if url != METADATA else "msi_res_id"] = environment[IDENTITY]
    return _token(
        urllib.request.Request(f"{url}?{urlencode(query)}", headers=headers),
        "no credentials to read blobs with: the managed identity's endpoint says {}. Outside of "
        "Azure add a shared access signature to the address, or download the bundle and pass "
        "--bundle DIR",
    )
