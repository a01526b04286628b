"""Location of the bundle, by the environment of each cloud's container."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit

from tridock.inference.bundle import azure_download
from tridock.inference.bundle.manifest import MANIFEST
from tridock.inference.cloud_hosts import opened
from tridock.inference.errors import BundleError, BundleMissingError

#: SageMaker unpacks model data here («Use your own inference code with hosting services»).
SAGEMAKER = Path("/opt/ml/model")
#: Variables that name a directory, in the order they are read: Vertex AI's («Custom container
#: requirements for prediction»), Azure ML's («How to deploy a custom container»), and one of ours
#: for services that know no models: Azure Container Apps and Container Instances.
VARIABLES = ("AIP_STORAGE_URI", "AZUREML_MODEL_DIR", "TRIDOCK_BUNDLE_URI")


def find(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    sagemaker: Path = SAGEMAKER,
) -> Path:
    """Return the directory of the bundle to serve.

    Parameters
    ----------
    path : Path, optional
        Given, it is the only place looked at.
    environment : Mapping[str, str], optional
        Where `VARIABLES` are looked up.
    sagemaker : Path, optional
        SageMaker's directory; the first choice, if it exists.

    Returns
    -------
    Path
        The directory, or its only subdirectory with a manifest: Azure ML mounts a registered
        folder inside of ``AZUREML_MODEL_DIR``. What lies in a bucket is downloaded first.

    Raises
    ------
    BundleMissingError
        If no place is named, or there is no bundle in the first that is.
    """
    if path is not None:
        return _bundle_in(path, "--bundle")
    if sagemaker.is_dir():
        return _bundle_in(sagemaker, "SageMaker's directory")
    for variable in VARIABLES:
        if environment.get(variable):
            return _bundle_in(_directory(environment[variable], variable, environment), variable)
    raise BundleMissingError(
        f"no bundle to serve: pass --bundle DIR, mount {sagemaker}, or set {' or '.join(VARIABLES)}"
    )


def _bundle_in(path: Path, source: str) -> Path:
    within = [path] if (path / MANIFEST).is_file() else sorted(m.parent for m in _manifests(path))
    if len(within) != 1:
        found = f"{len(within)} subdirectories with one" if within else "no such directory in it"
        state = found if path.is_dir() else "it is no directory"
        raise BundleMissingError(f"{path} (from {source}) has no {MANIFEST}: {state}")
    return within[0]


def _manifests(path: Path) -> list[Path]:
    return list(path.glob(f"*/{MANIFEST}"))


def _directory(uri: str, variable: str, environment: Mapping[str, str]) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise BundleMissingError(f"{variable} is no address: {error}") from error
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else uri)
    if parts.scheme in ("gs", "https"):
        from tridock.inference.bundle import azure_download

        if parts.scheme == "gs" or azure_download.is_blob(uri):
            return download(uri, environment)
    shown = uri.partition("?")[0]  # what follows may be a signature
    raise BundleMissingError(
        f"{variable} is {shown}: download it first and pass --bundle DIR; this server reads "
        "directories, gs:// buckets and folders of Azure Blob storage"
    )


# A bundle in a bucket, downloaded: Vertex AI's containers are given one of Google's.

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
        try:
            return opened(request, seconds=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise BundleMissingError(
                    f"{self.service} answers {error.code} {error.reason} for bucket {self.name}: "
                    "does it exist, and may the container's service account read it?"
                ) from error
        except OSError as error:
            raise BundleMissingError(f"{self.service} cannot be reached: {error}") from error


def download(uri: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Copy a bundle from a bucket to a directory of this machine, and return that.

    Parameters
    ----------
    uri : str
        ``gs://bucket/prefix``, or a folder's address in Azure Blob storage: `inference.blob`.
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
    for name, path in paths.items():
        files.fetch(name, to / path)
    return to


def _opened(uri: str, environment: Mapping[str, str]) -> tuple[Files, str]:
    """Return what holds a bundle's files, and the folder of it they lie in."""
    if azure_download.is_blob(uri):
        found, folder = azure_download.container(uri, environment)
        return found, folder.strip("/")
    parts = urlsplit(uri)
    return _bucket(parts.netloc, environment), parts.path.strip("/")


def _bucket(name: str, environment: Mapping[str, str]) -> Bucket:
    emulator = environment.get(EMULATOR, "").rstrip("/")
    if emulator:
        return Bucket(name, emulator if "://" in emulator else f"http://{emulator}")
    return Bucket(name, SERVICE, {"Authorization": f"Bearer {_token()}"})


def _token() -> str:
    request = urllib.request.Request(TOKEN, headers={"Metadata-Flavor": "Google"})
    try:
        with opened(request, seconds=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["access_token"])
    except (OSError, ValueError, KeyError) as error:
        raise BundleMissingError(
            f"no credentials to read a bucket with: the metadata service says {error}. Outside of "
            "Google Cloud download the bundle and pass --bundle DIR"
        ) from error
