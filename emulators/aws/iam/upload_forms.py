"""Uploads by a form of a web page or of `generate_presigned_post`: their policy decides.

Source: Amazon S3 API Reference, "Browser-based uploads using POST": "POST policy", "Calculating a
signature".
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug.formparser import parse_form_data

from tridock.emulators.aws.iam.signature import Signed, credential
from tridock.emulators.aws.protocol.calls import Environ

#: Fields that no condition has to name.
_FREE = ("x-amz-signature", "signature", "awsaccesskeyid", "file", "policy")


class PolicyError(ValueError):
    """The form is not what its policy allows; the message says why, in S3's words."""


@dataclass(frozen=True)
class Form:
    """The fields of an upload.

    Attributes
    ----------
    fields : Mapping[str, str]
        By name in lower case.
    size : int
        Bytes of the file.
    """

    fields: Mapping[str, str]
    size: int

    @classmethod
    def read(cls, environ: Environ, body: bytes) -> Form:
        """Read a form; the request's own body stays untouched."""
        _, fields, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)})
        file = files.get("file")
        size = len(file.stream.read()) if file else len(fields.get("file", "").encode())
        return cls({name.lower(): value for name, value in fields.items()}, size)

    def signed(self) -> Signed | None:
        """Return the signature of the policy; None if the form has none.

        Raises
        ------
        MalformedSignatureError
            If it cannot be read.
        """
        given = self.fields
        token = given.get("x-amz-security-token", "")
        if "x-amz-signature" in given:
            key, region, service, when = credential(
                given.get("x-amz-credential", ""), given.get("x-amz-date", "")
            )
            return Signed(key, region, service, when, (), given["x-amz-signature"], token)
        if "signature" in given:
            key, now = given.get("awsaccesskeyid", ""), datetime.now(UTC)
            return Signed(key, "", "s3", now, (), given["signature"], token, version=2)
        return None

    def check(self, bucket: str, now: datetime) -> None:
        """Return if the policy allows this upload.

        Raises
        ------
        PolicyError
            If it does not.
        """
        try:
            policy = json.loads(base64.b64decode(self.fields["policy"]))
            ends = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
            conditions = [_condition(each) for each in policy["conditions"]]
        except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
            raise PolicyError("Invalid Policy: Invalid JSON.") from None
        if ends <= now:
            raise PolicyError("Invalid according to Policy: Policy expired.")
        given = {**self.fields, "bucket": bucket}
        for kind, name, value in conditions:
            if not self._holds(kind, value, given.get(name, "")):
                raise PolicyError(
                    f'Invalid according to Policy: Policy Condition failed: ["{kind}", '
                    f'"${name}", "{value}"]'
                )
        named = {name for _, name, _ in conditions}
        extra = [name for name in given if name not in named and not _is_free(name)]
        if extra:
            raise PolicyError(f"Invalid according to Policy: Extra input fields: {extra[0]}")

    def _holds(self, kind: str, value: Any, given: str) -> bool:
        if kind == "content-length-range":
            return int(value[0]) <= self.size <= int(value[1])
        return given.startswith(str(value)) if kind == "starts-with" else given == str(value)


def _condition(given: Any) -> tuple[str, str, Any]:
    """Return kind, field and value: ``{"acl": "private"}`` or ``["eq", "$acl", "private"]``."""
    if isinstance(given, dict):
        ((name, value),) = given.items()
        return "eq", str(name).lower(), value
    kind, name, value = given
    if kind == "content-length-range":
        return kind, "", (int(name), int(value))
    if kind not in ("eq", "starts-with"):
        raise ValueError(kind)
    return kind, str(name).removeprefix("$").lower(), value


def _is_free(name: str) -> bool:
    return name in _FREE or name == "bucket" or name.startswith("x-ignore-")
