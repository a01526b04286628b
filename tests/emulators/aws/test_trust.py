"""Trust policies: what IAM takes, and whom SageMaker may stand in for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.iam.exceptions import MalformedPolicyDocument

from tridock.emulators.aws.iam.roles import SAGEMAKER, check_trust, trusts


def _policy(**members: Any) -> str:
    usual = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": SAGEMAKER},
    }
    statement = {name: value for name, value in (usual | members).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"Principal": {"Service": ["ec2.amazonaws.com", SAGEMAKER]}},
        {"Action": ["sts:TagSession", "sts:AssumeRole"]},
        {"Action": "sts:*"},
        {"Principal": "*"},
    ],
)
def test_a_role_that_names_sagemaker_may_be_assumed(members: dict[str, Any]) -> None:
    check_trust(_policy(**members))
    assert trusts(_policy(**members), SAGEMAKER)


@pytest.mark.parametrize(
    "members",
    [
        {"Principal": {"Service": "lambda.amazonaws.com"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Action": "sts:TagSession"},
        {"Effect": "Deny"},
    ],
)
def test_any_other_role_may_not(members: dict[str, Any]) -> None:
    check_trust(_policy(**members))
    assert not trusts(_policy(**members), SAGEMAKER)


def test_a_denial_outweighs_a_permission() -> None:
    statements = [
        json.loads(_policy(Effect=effect))["Statement"][0] for effect in ("Allow", "Deny")
    ]
    assert not trusts(json.dumps({"Statement": statements}), SAGEMAKER)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{not json", "invalid Json"),
        ("[]", "Syntax errors"),
        ('{"Version": "2012-10-17"}', "Syntax errors"),
        (_policy(Resource="*"), "prohibited field Resource"),
        (_policy(Principal=None), "Missing required field Principal"),
        (_policy(Action=None), "Missing required field Action"),
    ],
)
def test_what_cannot_be_a_trust_policy_is_refused(document: str, message: str) -> None:
    with pytest.raises(MalformedPolicyDocument, match=message):
        check_trust(document)
