"""Roles: check their trust policies, and whether SageMaker may assume them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import IAMBackend, ManagedPolicy, Role, iam_backends
from moto.utilities.utils import get_partition

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import ACCOUNT
from tridock.emulators.aws.protocol.environment import REGION

#: A ready-made role of that account, named as SageMaker's console names the one it makes.
READY_ROLE = "AmazonSageMaker-ExecutionRole"
_READY_POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"

SAGEMAKER = "sagemaker.amazonaws.com"
_ASSUME = {"sts:assumerole", "sts:*", "*"}


def install(cloud: Cloud) -> None:
    """Check trust policies where roles are made, and put the ready role in place."""
    IAMBackend.create_role = _checked_create(IAMBackend.create_role)  # type: ignore[method-assign]
    update = IAMBackend.update_assume_role_policy
    IAMBackend.update_assume_role_policy = _checked_update(update)  # type: ignore[method-assign]
    read = IAMBackend._init_aws_policies
    IAMBackend._init_aws_policies = _kept(read)  # type: ignore[method-assign]
    cloud.on_start.append(make_ready_role)
    cloud.on_reset.append(make_ready_role)


def _kept(read: Callable[[IAMBackend], list[ManagedPolicy]]) -> Any:
    """Read the policies that AWS manages once: it takes a second, and a reset makes IAM anew."""
    known: dict[tuple[str, str], list[ManagedPolicy]] = {}

    def policies(self: IAMBackend) -> list[ManagedPolicy]:
        place = self.account_id, self.region_name
        if place not in known:
            known[place] = read(self)
        return [_copied(policy) for policy in known[place]]

    return policies


def _copied(policy: ManagedPolicy) -> ManagedPolicy:
    made = object.__new__(type(policy))  # `copy.copy` takes five times as long
    made.__dict__.update(policy.__dict__)
    return made


def make_ready_role() -> None:
    """Make the role that classic snippets can name, unless it exists."""
    backend = iam_backends[ACCOUNT][get_partition(REGION)]
    if any(role.name == READY_ROLE for role in backend.get_roles()):
        return
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": SAGEMAKER}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    about = "Ready-made in the emulated account"
    backend.create_role(READY_ROLE, trust, "/", None, about, [], "3600")
    backend.attach_role_policy(_READY_POLICY, READY_ROLE)


def is_assumable(account: str, region: str, arn: str) -> bool:
    """Return whether the role `arn` exists in `account` and lets SageMaker assume it."""
    roles = iam_backends[account][get_partition(region)].get_roles()
    role = next((role for role in roles if role.arn == arn), None)
    return role is not None and trusts(role.assume_role_policy_document, SAGEMAKER)


def trusts(document: str | dict[str, Any], service: str) -> bool:
    """Return whether a trust policy lets `service` assume its role; a Deny outweighs."""
    effects = {
        statement.get("Effect")
        for statement in _list(_policy(document).get("Statement"))
        if _ASSUME & {action.lower() for action in _list(statement.get("Action"))}
        and _names(statement.get("Principal"), service)
    }
    return effects == {"Allow"}


def check_trust(document: str) -> None:
    """Return if `document` can be a trust policy.

    Raises
    ------
    MalformedPolicyDocument
        In IAM's words, if it is not JSON, or not of that form.
    """
    try:
        policy = json.loads(document)
    except (TypeError, ValueError):
        raise MalformedPolicyDocument("This policy contains invalid Json") from None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for statement in _list(policy["Statement"]):
        if "Resource" in statement:
            raise MalformedPolicyDocument("Has prohibited field Resource")
        for field in ("Effect", "Action", "Principal"):
            if not (statement.keys() & {field, f"Not{field}"}):
                raise MalformedPolicyDocument(f"Missing required field {field}")


def _policy(document: str | dict[str, Any]) -> dict[str, Any]:
    """Return a policy that CloudFormation passes as an object, the API as text."""
    return dict(json.loads(document) if isinstance(document, str) else document)


def _names(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    return isinstance(principal, dict) and service in _list(principal.get("Service"))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _checked_create(create: Callable[..., Role]) -> Callable[..., Role]:
    def create_role(
        self: IAMBackend, role_name: str, assume_role_policy_document: Any, *more: Any, **named: Any
    ) -> Role:
        if isinstance(assume_role_policy_document, str):
            check_trust(assume_role_policy_document)
        return create(self, role_name, assume_role_policy_document, *more, **named)

    return create_role


def _checked_update(update: Callable[..., None]) -> Callable[..., None]:
    def update_assume_role_policy(self: IAMBackend, role_name: str, policy_document: str) -> None:
        check_trust(policy_document)
        update(self, role_name, policy_document)

    return update_assume_role_policy
