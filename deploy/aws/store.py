"""Bundles in S3: one archive for each digest, and marks that say who uses it.

``bundles/<digest>/model.tar.gz`` lies beside ``bundles/<digest>/used-by/<model>``, an empty
object for each SageMaker model made of it. An archive without marks is unused.
Registered ones are ``models/<digest>/model.tar.gz``; nothing removes those. Notes lie apart, in
``notes/``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.notes import Note, Notes
from tridock.inference.bundle.bundle import Bundle

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX, REGISTERED = "bundles/", "models/"


@dataclass(frozen=True)
class Store:
    """The bundles of one bucket."""

    s3: S3Client
    bucket: str

    def upload(self, bundle: Bundle) -> str:
        """Store a bundle under its digest, unless it is there, and return its URI."""
        return self._put(bundle, PREFIX)

    def keep(self, bundle: Bundle) -> str:
        """Store a bundle for good, unless it is there, and return its URI."""
        return self._put(bundle, REGISTERED)

    def download(self, key: str, file: Path) -> None:
        """Write an object's content to a file; raise `NotFoundError` if it is gone."""
        with translated("s3"), file.open("wb") as content:
            response = self.s3.get_object(Bucket=self.bucket, Key=key)
            for chunk in response["Body"].iter_chunks(1 << 20):
                content.write(chunk)

    def _put(self, bundle: Bundle, prefix: str) -> str:
        key = f"{prefix}{bundle.digest}/model.tar.gz"
        if not self._has(key):
            with tempfile.TemporaryDirectory() as folder:
                packed = bundle.pack(Path(folder) / "model.tar.gz")
                with translated("s3"), packed.open("rb") as content:
                    self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def mark(self, digest: str, model: str) -> None:
        """Note that `model` uses a bundle."""
        with translated("s3"):
            self.s3.put_object(Bucket=self.bucket, Key=f"{PREFIX}{digest}/used-by/{model}")

    def release(self, prefix: str, used: Container[str]) -> None:
        """Remove the marks of models that begin with `prefix` and are not in `used`.

        Bundles that lose their last mark by that go with it.
        """
        with suppress(NotFoundError):  # no bucket holds no bundles
            keys = list(self._keys())
            stale = {key for key in keys if self._is_stale(key, prefix, used)}
            touched = {key.split("/")[1] for key in stale}
            kept = {key.split("/")[1] for key in keys if "/used-by/" in key and key not in stale}
            orphans = {key for key in keys if key.split("/")[1] in touched - kept}
            for key in sorted(stale | orphans):
                with translated("s3"):
                    self.s3.delete_object(Bucket=self.bucket, Key=key)

    @staticmethod
    def _is_stale(key: str, prefix: str, used: Container[str]) -> bool:
        model = key.partition("/used-by/")[2]
        return model.startswith(prefix) and model not in used

    def _keys(self) -> Iterator[str]:
        pages = self.s3.get_paginator("list_objects_v2")
        with translated("s3"):
            for page in pages.paginate(Bucket=self.bucket, Prefix=PREFIX):
                yield from (item["Key"] for item in page.get("Contents", ()))

    def _has(self, key: str) -> bool:
        with suppress(NotFoundError), translated("s3"):
            self.s3.head_object(Bucket=self.bucket, Key=key)
            return True
        return False


# Notes as objects of the bucket, by S3's conditional writes.

NOTES = "notes/"


@dataclass(frozen=True)
class S3Notes(Notes):
    """The notes in one bucket."""

    s3: S3Client
    bucket: str

    @override
    def keys(self) -> Sequence[str]:
        pages = self.s3.get_paginator("list_objects_v2")
        with translated("s3"):
            listed = list(pages.paginate(Bucket=self.bucket, Prefix=NOTES))
        named = (one["Key"] for page in listed for one in page.get("Contents", ()))
        return sorted(name.removeprefix(NOTES) for name in named)

    @override
    def read(self, key: str) -> Note | None:
        with suppress(NotFoundError), translated("s3"):
            response = self.s3.get_object(Bucket=self.bucket, Key=NOTES + key)
            return Note(key, response["Body"].read(), response["ETag"])
        return None

    @override
    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        condition: Any = {"IfMatch": over.version} if over else {"IfNoneMatch": "*"}
        try:
            with translated("s3"):
                response = self.s3.put_object(
                    Bucket=self.bucket, Key=NOTES + key, Body=body, **condition
                )
        except NotFoundError as error:
            if over is None:  # no bucket
                raise
            raise ConflictError(f"{key} was removed meanwhile") from error
        return Note(key, body, response["ETag"])

    @override
    def remove(self, key: str, *, over: Note) -> None:
        with suppress(NotFoundError), translated("s3"):
            self.s3.delete_object(Bucket=self.bucket, Key=NOTES + key, IfMatch=over.version)
