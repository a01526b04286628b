"""IAM's SimulatePrincipalPolicy, on moto's own policy engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.errors import AwsError


def install(cloud: Cloud) -> None:
    """Add the operation that the SageMaker SDK asks before every deployment."""
    IamResponse.simulate_principal_policy = (  # type: ignore[attr-defined]
        simulate_principal_policy
    )


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """Answer what the policies of a role or user say to each action on each resource."""
    source = self._get_param("PolicySourceArn")
    policies = [IAMPolicy(each) for each in policies_of(self.backend, source)]
    policies += [IAMPolicy(each) for each in self._get_param("PolicyInputList", [])]
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decide(policies, action, resource),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in self._get_param("ActionNames", [])
        for resource in self._get_param("ResourceArns", ["*"])
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def decide(policies: list[Any], action: str, resource: str) -> str:
    """Return ``allowed``, ``explicitDeny`` or ``implicitDeny``; one Deny outweighs every Allow."""
    found = {policy.is_action_permitted(action, resource) for policy in policies}
    if PermissionResult.DENIED in found:
        return "explicitDeny"
    return "allowed" if PermissionResult.PERMITTED in found else "implicitDeny"


def policies_of(backend: IAMBackend, arn: str) -> list[Any]:
    """Return what is attached to, and written into, a role or a user with its groups.

    Raises
    ------
    AwsError
        ``NoSuchEntity``, if there is no such role or user.
    """
    kind, _, name = arn.rpartition(":")[2].partition("/")
    name = name.rpartition("/")[2]
    readers = {"role": _of_role, "user": _of_user, "assumed-role": _of_role}
    if kind not in readers:
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity")
    if kind == "assumed-role":
        name = arn.split("/")[1]
    try:
        return list(readers[kind](backend, name))
    except NotFoundException:
        raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.") from None


def _of_role(backend: IAMBackend, name: str) -> Iterator[Any]:
    backend.get_role(name)
    for policy in backend.list_role_policies(name):
        yield backend.get_role_policy(name, policy)[1]
    yield from backend.list_attached_role_policies(name)[0]


def _of_user(backend: IAMBackend, name: str) -> Iterator[Any]:
    backend.get_user(name)
    for policy in backend.list_user_policies(name):
        yield backend.get_user_policy(name, policy)
    yield from backend.list_attached_user_policies(name)[0]
    for group in backend.get_groups_for_user(name):
        for policy in backend.list_group_policies(group.name):
            yield backend.get_group_policy(group.name, policy)
        yield from backend.list_attached_group_policies(group.name)[0]
