from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    CredentialsError,
    DeployError,
    InvokeError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
)


def refused(code: str, message: str = "no", *, status: int = 400, **more: Any) -> boto.ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "7"}},
        **more,
    }
    return boto.ClientError(answer, "CreateEndpoint")


@pytest.mark.parametrize(
    ("error", "kind", "exit_code"),
    [
        (refused("AccessDeniedException"), PermissionDeniedError, 4),
        (refused("ExpiredTokenException"), CredentialsError, 6),
        (refused("ResourceLimitExceeded"), QuotaError, 4),
        (refused("ThrottlingException"), UnavailableError, 4),
        (refused("Strange", status=503), UnavailableError, 4),
        (refused("Strange", status=501), TargetError, 4),
        (refused("ValidationException", 'Could not find endpoint "arn".'), NotFoundError, 4),
        (refused("ValidationError", "Endpoint x of account 1 not found."), NotFoundError, 4),
        (refused("ValidationException", "Cannot update in-progress endpoint"), BusyError, 5),
        (
            refused("ValidationException", 'Cannot create already existing model "arn".'),
            ConflictError,
            4,
        ),
        (refused("ValidationException", "1 validation error detected"), TargetError, 4),
        (refused("ModelError", status=424, OriginalStatusCode=500), InvokeError, 1),
        (boto.NoCredentialsError(), CredentialsError, 6),
        (boto.ProfileNotFound(profile="x"), CredentialsError, 6),
        (boto.NoRegionError(), ConfigError, 2),
        (boto.EndpointConnectionError(endpoint_url="http://x"), UnavailableError, 4),
        (boto.ReadTimeoutError(endpoint_url="http://x"), UnavailableError, 4),
        (boto.ParamValidationError(report="x"), TargetError, 4),
    ],
)
def test_each_of_botocores_errors_means_one_of_ours(
    error: Exception, kind: type[DeployError], exit_code: int
) -> None:
    with pytest.raises(DeployError) as caught, translated("sagemaker"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.exit_code == exit_code
    assert caught.value.__cause__ is error


def test_the_clouds_code_and_call_are_kept() -> None:
    words = r"no \[sagemaker:CreateEndpoint Strange\]"
    with pytest.raises(TargetError, match=words) as caught, translated("sagemaker"):
        raise refused("Strange")
    assert (caught.value.operation, caught.value.code) == ("sagemaker:CreateEndpoint", "Strange")


@pytest.mark.parametrize(
    "error",
    [
        refused("SlowDown", status=503),
        refused("ValidationException", "Cannot update in-progress endpoint"),
    ],
)
def test_the_clouds_hint_to_wait_is_kept(error: Exception) -> None:
    with pytest.raises(UnavailableError) as caught, translated("sagemaker"):
        raise error
    assert caught.value.retry_after == 7.0


def test_what_the_model_answered_is_told() -> None:
    error = refused(
        "ModelError", OriginalStatusCode=400, OriginalMessage='{"error": "x0 is missing"}'
    )
    with pytest.raises(InvokeError, match="x0 is missing") as caught, translated("runtime"):
        raise error
    assert caught.value.status == 400


def test_other_errors_pass_through() -> None:
    with pytest.raises(KeyError), translated("s3"):
        raise KeyError("x")
