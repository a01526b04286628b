"""A bundle in an Azure Blob container: what a container app or a container group is given."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

from tridock.inference.cloud_hosts import AZURE_BLOBS, is_of, opened
from tridock.inference.errors import BundleMissingError

#: Azure Storage, «Versioning for the Azure Storage services»: the format of requests and answers.
VERSION = "2021-12-02"
#: Where tokens are for: «Authorize access to blobs using Microsoft Entra ID».
RESOURCE = "https://storage.azure.com/"
#: «Azure Instance Metadata Service»: used where the service names no endpoint of its own.
METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
#: Variable of ours: id of the user-assigned identity to be; without it, the only one there is.
IDENTITY = "TRIDOCK_IDENTITY_ID"
TIMEOUT_SECONDS = 60


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
        headers = {"x-ms-version": VERSION, **self.headers}
        try:
            asked = urllib.request.Request(url, headers=headers)
            return opened(asked, seconds=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise BundleMissingError(
                    f"{self.address} answers {error.code} {error.reason}: does the container "
                    "exist, and may the identity (role Storage Blob Data Reader) or the signature "
                    "read it?"
                ) from error
        except OSError as error:
            raise BundleMissingError(f"{self.address} cannot be reached: {error}") from error


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
    token = {"Authorization": f"Bearer {_token(environment)}"}
    return BlobContainer(address, headers=token), folder


def _token(environment: Mapping[str, str]) -> str:
    """Ask for a token as «How to use managed identities for App Service» says, or the metadata."""
    query, headers, url = {"resource": RESOURCE}, {"Metadata": "true"}, METADATA
    query["api-version"] = "2018-02-01"
    if environment.get("IDENTITY_ENDPOINT"):
        url, query["api-version"] = environment["IDENTITY_ENDPOINT"], "2019-08-01"
        headers = {"X-IDENTITY-HEADER": environment.get("IDENTITY_HEADER", "")}
    if environment.get(IDENTITY):
        query["mi_res_id" if url != METADATA else "msi_res_id"] = environment[IDENTITY]
    request = urllib.request.Request(f"{url}?{urlencode(query)}", headers=headers)
    try:
        with opened(request, seconds=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["access_token"])
    except (OSError, ValueError, KeyError) as error:
        raise BundleMissingError(
            f"no credentials to read blobs with: the managed identity's endpoint says {error}. "
            "Outside of Azure add a shared access signature to the address, or download the "
            "bundle and pass --bundle DIR"
        ) from error
