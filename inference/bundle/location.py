"""Location of the bundle, by the environment of each cloud's container."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tridock.inference.bundle.manifest import MANIFEST
from tridock.inference.errors import BundleMissingError

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
        why = f"{len(within)} subdirectories with one" if within else "no such directory in it"
        state = why if path.is_dir() else "it is no directory"
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
        from tridock.inference.bundle import downloads  # HTTP and XML, which a folder needs not

        if parts.scheme == "gs" or downloads.is_blob(uri):
            return downloads.download(uri, environment)
    shown = uri.partition("?")[0]  # what follows may be a signature
    raise BundleMissingError(
        f"{variable} is {shown}: download it first and pass --bundle DIR; this server reads "
        "directories, gs:// buckets and folders of Azure Blob storage"
    )
