"""Which objects a transform job reads, and where the result of each goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from tridock.emulators.aws.dataplane import artifacts


@dataclass(frozen=True)
class Source:
    """One input object.

    Attributes
    ----------
    uri : str
        ``s3://bucket/key``.
    target : str
        Where its result goes.
    """

    uri: str
    target: str

    def __str__(self) -> str:
        return self.uri.removeprefix("s3://")


def sources(account: str, request: Mapping[str, Any]) -> list[Source]:
    """Return the objects of a job's input, in order.

    A prefix matches every key that begins with it, as S3 does; what follows its last slash, or the
    relative path of a manifest, names the result (API reference, TransformOutput, S3OutputPath).

    Raises
    ------
    MissingDataError
        If the manifest is not there or is none.
    """
    where = request["TransformInput"]["DataSource"]["S3DataSource"]
    output = request["TransformOutput"]["S3OutputPath"].rstrip("/")
    if where["S3DataType"] == "ManifestFile":
        found = _manifest(account, where["S3Uri"])
    else:
        found = _prefix(account, where["S3Uri"])
    return [Source(uri, f"{output}/{name}.out") for uri, name in found]


def _prefix(account: str, uri: str) -> list[tuple[str, str]]:
    bucket, prefix = artifacts.address(uri)
    folder = prefix[: prefix.rfind("/") + 1]
    try:
        keys = list(s3_backends[account]["aws"].get_bucket(bucket).keys)
    except S3ClientError:
        return []
    names = sorted(key for key in keys if key.startswith(prefix) and not key.endswith("/"))
    return [(f"s3://{bucket}/{name}", name.removeprefix(folder)) for name in names]


def _manifest(account: str, uri: str) -> list[tuple[str, str]]:
    try:
        first, *names = json.loads(artifacts.read(account, uri))
        prefix = first["prefix"]
    except (ValueError, KeyError, TypeError) as error:
        raise artifacts.MissingDataError(f"{uri} is no manifest: {error!r}") from error
    return [(f"{prefix}{name}", name) for name in names]
