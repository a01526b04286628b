"""Roles, simulated policies and their enforcement, asked with boto3."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import IMAGE, ROLE, ROW, Aws, control, emulated

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture(scope="module")
def iam(aws: Aws) -> Any:
    return aws.client("iam")


def _policy(effect: str, actions: list[str], resource: str = "*") -> str:
    statement = {"Effect": effect, "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _decisions(iam: Any, arn: str, *actions: str, **more: Any) -> dict[str, str]:
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, **more)
    return {each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]}


def test_a_role_stands_ready_for_sagemaker(iam: Any, sagemaker: Any) -> None:
    assert iam.get_role(RoleName=ROLE.rpartition("/")[2])["Role"]["Arn"] == ROLE
    allowed = _decisions(iam, ROLE, "sagemaker:CreateEndpoint", "ecr:GetAuthorizationToken")
    assert set(allowed.values()) == {"allowed"}


def test_a_role_is_simulated_with_inline_and_attached_policies(iam: Any) -> None:
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    actions = ("s3:GetObject", "s3:PutObject", "iam:CreateUser")
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_policy("Allow", ["s3:*"]))
    denied = iam.create_policy(PolicyName=name, PolicyDocument=_policy("Deny", ["s3:PutObject"]))[
        "Policy"
    ]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=denied)
    assert _decisions(iam, role["Arn"], *actions) == {
        "s3:GetObject": "allowed",
        "s3:PutObject": "explicitDeny",
        "iam:CreateUser": "implicitDeny",
    }


def test_a_user_is_simulated_with_its_groups(iam: Any) -> None:
    name = f"user-{uuid.uuid4().hex[:8]}"
    user = iam.create_user(UserName=name)["User"]
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    iam.put_group_policy(
        GroupName=name,
        PolicyName="p",
        PolicyDocument=_policy("Allow", ["s3:GetObject"], "arn:aws:s3:::mine/*"),
    )
    for resource, decision in (("mine/a", "allowed"), ("other/a", "implicitDeny")):
        arns = [f"arn:aws:s3:::{resource}"]
        found = _decisions(iam, user["Arn"], "s3:GetObject", ResourceArns=arns)
        assert found == {"s3:GetObject": decision}


def test_an_unknown_principal_is_no_such_entity(iam: Any) -> None:
    for kind in ("role", "user"):
        with pytest.raises(ClientError) as refused:
            _decisions(iam, f"arn:aws:iam::123456789012:{kind}/nobody", "s3:GetObject")
        assert refused.value.response["Error"]["Code"] == "NoSuchEntity"


def test_a_trust_policy_that_is_no_json_is_refused(iam: Any) -> None:
    with pytest.raises(ClientError) as refused:
        iam.create_role(RoleName="never", AssumeRolePolicyDocument="{not json")
    assert refused.value.response["Error"]["Code"] == "MalformedPolicyDocument"
    with pytest.raises(ClientError, match="cannot be found|not found"):
        iam.get_role(RoleName="never")


def test_sagemaker_refuses_a_role_it_cannot_assume(iam: Any, sagemaker: Any) -> None:
    trust = json.loads(json.dumps(TRUST).replace("sagemaker.", "lambda."))
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    for arn in (role["Arn"], "arn:aws:iam::123456789012:role/nobody"):
        with pytest.raises(ClientError, match="trust relationship"):
            sagemaker.create_model(
                ModelName="never", ExecutionRoleArn=arn, PrimaryContainer={"Image": IMAGE}
            )


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Aws, Any]]:
    """An emulator of its own with IAM switched on, and a user of it who may do nothing yet."""
    with emulated(tmp_path_factory.mktemp("enforced")) as own:
        iam = own.client("iam")
        iam.create_user(UserName="ada")
        key = iam.create_access_key(UserName="ada")["AccessKey"]
        iam.create_user(UserName="root")
        iam.put_user_policy(
            UserName="root", PolicyName="all", PolicyDocument=_policy("Allow", ["*"])
        )
        root = iam.create_access_key(UserName="root")["AccessKey"]
        control(own, "POST", "../moto-api/reset-auth", 0)
        yield own, {"ada": _session(key), "root": _session(root)}


def _session(key: dict[str, str]) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        region_name="us-east-1",
    )


def _code(call: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    code: str = refused.value.response["Error"]["Code"]
    return code


def test_enforced_policies_hold_for_the_control_plane_and_the_data_plane(
    enforced: tuple[Aws, Any],
) -> None:
    own, sessions = enforced
    control = sessions["ada"].client("sagemaker", endpoint_url=own.url)
    runtime = sessions["ada"].client("sagemaker-runtime", endpoint_url=own.url)

    def invoke(endpoint: str) -> Any:
        return runtime.invoke_endpoint(EndpointName=endpoint, Body=ROW)

    assert _code(control.list_models) == "AccessDeniedException"
    assert _code(lambda: invoke("mine")) == "AccessDeniedException"
    sessions["root"].client("iam", endpoint_url=own.url).put_user_policy(
        UserName="ada",
        PolicyName="some",
        PolicyDocument=_policy(
            "Allow", ["sagemaker:InvokeEndpoint"], "arn:aws:sagemaker:*:*:endpoint/mine"
        ),
    )
    assert _code(lambda: invoke("other")) == "AccessDeniedException"
    assert _code(lambda: invoke("mine")) == "ValidationError"  # let in, and not found


def test_a_wrong_secret_or_key_is_refused_in_json_s_words(enforced: tuple[Aws, Any]) -> None:
    own, sessions = enforced
    good = sessions["ada"].get_credentials()
    wrong = {
        "InvalidSignatureException": (good.access_key, "wrong"),
        "UnrecognizedClientException": ("AKIAIOSFODNN7EXAMPLE", good.secret_key),
    }
    for code, (key, secret) in wrong.items():
        session = _session({"AccessKeyId": key, "SecretAccessKey": secret})
        assert _code(session.client("sagemaker", endpoint_url=own.url).list_models) == code
        runtime = session.client("sagemaker-runtime", endpoint_url=own.url)
        assert _code(partial(runtime.invoke_endpoint, EndpointName="a", Body=b"")) == code
