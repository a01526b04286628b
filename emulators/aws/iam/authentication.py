"""Authentication of callers: each request is signed with a key that this cloud issued."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.utils import get_service_model
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from tridock.emulators.aws.dataplane.requests import LIMIT, TooLongError
from tridock.emulators.aws.iam import signature
from tridock.emulators.aws.iam.refusals import Reason, refusal
from tridock.emulators.aws.iam.signature import DIGEST, STAMP, UNSIGNED, Signed
from tridock.emulators.aws.iam.signed_uploads import (
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED_TRAILER,
    ChunkError,
    Form,
    PolicyError,
    check_chunks,
)
from tridock.emulators.aws.protocol.access_keys import Key, find_key
from tridock.emulators.aws.protocol.calls import ACCOUNT, Call, Environ
from tridock.emulators.aws.protocol.errors import AwsError

#: Difference between a request's time and ours that is accepted.
SKEW = timedelta(minutes=15)
#: Longest life of a presigned address, in seconds.
LONGEST = 604_800
#: Bytes of a body that is read before its signature can be verified; S3's bodies, of which the
#: digest is signed apart, are read behind it.
LONGEST_BODY = 64 * 1024 * 1024

#: Actions that a bucket's policy can allow to everyone, by method: on an object, on it.
_PUBLIC = {
    "GET": ("GetObject", "ListBucket"),
    "HEAD": ("GetObject", "ListBucket"),
    "PUT": ("PutObject", ""),
    "DELETE": ("DeleteObject", ""),
}
_VIRTUAL = re.compile(r"(.+)\.s3[.-].*")


@dataclass(frozen=True)
class Authentication:
    """The rules of one emulated account.

    Attributes
    ----------
    own : Key
        The account's own key, which `env` prints.
    any_credentials : bool
        Whether keys are accepted that nothing issued, and requests without any.
    """

    own: Key
    any_credentials: bool = False
    now: Any = field(default=lambda: datetime.now(UTC))

    def check(self, call: Call, environ: Environ) -> None:
        """Return if the request is signed by a key that this cloud issued.

        Raises
        ------
        AwsError
            If it is not, in the service's own words.
        """
        try:
            signed = signature.read(environ)
            form = None if signed else _form(call, environ)
            signed = form.signed() if form else signed
        except signature.UnsupportedAlgorithmError as error:
            raise refusal(call, Reason.ALGORITHM, str(error)) from error
        except signature.MalformedSignatureError as error:
            raise refusal(call, Reason.MALFORMED, str(error)) from error
        if signed is None:
            self._anonymous(call, environ)
            return
        key = find_key(self.own, signed.key)
        if key is None and self.any_credentials:
            return
        known = self._key(call, signed, key)
        if form:
            self._check_form(call, signed, known, (form, _bucket(environ)[0]))
        else:
            self._check_time(call, signed)
            _check_signature(call, environ, signed, known)

    def _key(self, call: Call, signed: Signed, key: Key | None) -> Key:
        if key is None or (key.token and not signed.token):
            raise refusal(call, Reason.UNKNOWN_KEY)
        if not hmac.compare_digest(key.token.encode(), signed.token.encode()):
            raise refusal(call, Reason.SESSION)
        if key.ends and key.ends <= self.now():
            raise refusal(call, Reason.ENDED)
        return key

    def _check_time(self, call: Call, signed: Signed) -> None:
        now: datetime = self.now()
        if signed.lifetime is not None:
            ends = signed.time + timedelta(seconds=min(signed.lifetime, LONGEST))
            if signed.lifetime > LONGEST:
                raise AwsError(
                    "AuthorizationQueryParametersError",
                    "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                    f"X-Amz-Expires must be less than {LONGEST} seconds",
                    status=400,
                )
            if now > ends and call.service == "s3":
                raise AwsError("AccessDenied", "Request has expired", status=403)
            earliest = signed.time if signed.version == 4 else now
        else:
            ends, earliest = signed.time + SKEW, signed.time
        stamp, here = f"{signed.time:{STAMP}}", f"{now:{STAMP}}"
        if now > ends:
            said = f"Signature expired: {stamp} is now earlier than {now - SKEW:{STAMP}} ("
            raise refusal(call, Reason.SKEWED, f"{said}{here} - 15 min.)")
        if now < earliest - SKEW:
            said = f"Signature not yet current: {stamp} is still later than {now + SKEW:{STAMP}} ("
            raise refusal(call, Reason.SKEWED, f"{said}{here} + 15 min.)")

    def _check_form(self, call: Call, signed: Signed, key: Key, upload: tuple[Form, str]) -> None:
        form, bucket = upload
        policy = form.fields.get("policy", "")
        version = signature.sign_version_2 if signed.version == 2 else None
        made = (
            version(key.secret, policy) if version else signature.sign(signed, key.secret, policy)
        )
        if not hmac.compare_digest(made.encode(), signed.signature.encode()):
            raise refusal(call, Reason.MISMATCH)
        try:
            form.check(bucket, self.now())
        except PolicyError as error:
            raise AwsError("AccessDenied", str(error), status=403) from error

    def _anonymous(self, call: Call, environ: Environ) -> None:
        """Return if the call needs no signature: it is public, or its service has accounts."""
        if self.any_credentials or (call.service == "s3" and _is_public(environ)):
            return
        model = get_service_model(call.service)
        if call.operation in model.operation_names:
            unsigned = model.operation_model(call.operation).auth_type == "none"
            if unsigned and call.service == "sts":
                raise refusal(call, Reason.FOREIGN_IDENTITY)
            if unsigned:
                return
        raise refusal(call, Reason.ANONYMOUS)


def _check_signature(call: Call, environ: Environ, signed: Signed, key: Key) -> None:
    """Return if the signature is the key owner's, and the body the signed one."""
    loose = signature.unsigned_headers(signed, environ)
    if loose and call.service == "s3":
        said = "There were headers present in the request which were not signed"
        raise AwsError("AccessDenied", said, status=403)
    if loose:
        said = f"'{loose[0]}' must be a 'SignedHeader' in the AWS Authorization."
        raise refusal(call, Reason.MISMATCH, said)
    digest = _digest(call, environ, signed)
    if digest is None:
        return
    made = signature.expected(signed, environ, key.secret, digest)
    if not hmac.compare_digest(made.encode(), signed.signature.encode()):
        raise refusal(call, Reason.MISMATCH)
    if signed.is_s3:
        _check_payload(call, environ, signed, (key, digest))


def _digest(call: Call, environ: Environ, signed: Signed) -> str | None:
    """Return the payload's digest in the signature; None if the request is refused anyway."""
    given = str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
    if signed.is_s3:
        if not given and signed.lifetime is None and signed.version == 4:
            said = f"Missing required header for this request: {DIGEST}"
            raise AwsError("InvalidRequest", said, status=400)
        return given or UNSIGNED
    limit = LIMIT if call.endpoint else LONGEST_BODY
    body = _body(environ, limit + 1)
    if len(body) > limit:
        if call.endpoint:
            return None  # the runtime refuses it by its length
        raise TooLongError(limit)
    made = hashlib.sha256(body).hexdigest()
    if given not in ("", UNSIGNED, made):
        raise refusal(call, Reason.MISMATCH)
    return given or made


def _check_payload(call: Call, environ: Environ, signed: Signed, verified: tuple[Key, str]) -> None:
    """Return if S3's body is the one that was signed."""
    key, digest = verified
    if digest in (UNSIGNED, UNSIGNED_TRAILER):
        return
    body = _body(environ)
    if digest in (SIGNED, SIGNED_TRAILER):
        try:
            check_chunks(body, signed, key.secret, trailer=digest == SIGNED_TRAILER)
        except ChunkError as error:
            raise refusal(call, Reason.MISMATCH) from error
    elif digest.startswith("STREAMING-"):
        raise refusal(call, Reason.ALGORITHM)
    elif hashlib.sha256(body).hexdigest() != digest:
        said = f"The provided '{DIGEST}' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", said, status=400)


def _body(environ: Environ, size: int = -1) -> bytes:
    """Read the body, and put it back."""
    body: bytes = environ["wsgi.input"].read(size)
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _form(call: Call, environ: Environ) -> Form | None:
    """Return the form of an upload by POST; None if the request is none."""
    kind = environ.get("CONTENT_TYPE", "")
    posted = environ["REQUEST_METHOD"] == "POST" and kind.startswith("multipart/form-data")
    return Form.read(environ, _body(environ)) if posted and call.service == "s3" else None


def _bucket(environ: Environ) -> tuple[str, str]:
    """Return the bucket and the object that an address of S3 names."""
    path = str(environ["PATH_INFO"]).lstrip("/")
    virtual = _VIRTUAL.fullmatch(environ.get("HTTP_HOST", ""))
    if virtual:
        return virtual[1], path
    bucket, _, name = path.partition("/")
    return bucket, name


def _is_public(environ: Environ) -> bool:
    """Return whether a bucket's policy or an object's access list allows this to everyone."""
    name, key = _bucket(environ)
    actions = _PUBLIC.get(environ["REQUEST_METHOD"])
    buckets: Any = s3_backends[ACCOUNT]["aws"].buckets
    bucket = buckets.get(name)
    if bucket is None or actions is None:
        return False
    action = actions[0] if key else actions[1]
    arn = f"arn:aws:s3:::{name}/{key}" if key else f"arn:aws:s3:::{name}"
    permission = bucket.get_permission(f"s3:{action}", arn)
    if permission == PermissionResult.PERMITTED and action:
        return True
    if permission == PermissionResult.DENIED or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return False
    try:
        held = s3_backends[ACCOUNT]["aws"].get_object(name, key) if key else bucket
    except S3ClientError:
        return False
    return bool(held and held.acl and held.acl.public_read)
