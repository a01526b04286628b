"""Notes as objects of the bucket, by S3's conditional writes.

Source: Amazon S3 user guide, "Add preconditions to S3 operations with conditional requests".
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.notes import Note, Notes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "notes/"


@dataclass(frozen=True)
class S3Notes(Notes):
    """The notes in one bucket."""

    s3: S3Client
    bucket: str

    @override
    def keys(self) -> Sequence[str]:
        pages = self.s3.get_paginator("list_objects_v2")
        with translated("s3"):
            found = list(pages.paginate(Bucket=self.bucket, Prefix=PREFIX))
        named = (one["Key"] for page in found for one in page.get("Contents", ()))
        return sorted(name.removeprefix(PREFIX) for name in named)

    @override
    def read(self, key: str) -> Note | None:
        with suppress(NotFoundError), translated("s3"):
            response = self.s3.get_object(Bucket=self.bucket, Key=PREFIX + key)
            return Note(key, response["Body"].read(), response["ETag"])
        return None

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        condition: Any = {"IfMatch": over.version} if over else {"IfNoneMatch": "*"}
        try:
            with translated("s3"):
                response = self.s3.put_object(
                    Bucket=self.bucket, Key=PREFIX + key, Body=body, **condition
                )
        except NotFoundError as error:
            if over is None:  # no bucket
                raise
            raise ConflictError(f"{key} was removed meanwhile") from error
        return Note(key, body, response["ETag"])

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with suppress(NotFoundError), translated("s3"):
            self.s3.delete_object(Bucket=self.bucket, Key=PREFIX + key, IfMatch=over.version)
