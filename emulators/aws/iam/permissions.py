"""Permissions: the needs of each call, and IAM's SimulatePrincipalPolicy.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
SageMaker", "… for Amazon CloudWatch", "… for Amazon CloudWatch Logs", "… for AWS Application Auto
Scaling": the columns "Resource types" and "Dependent actions".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.errors import AwsError


@dataclass(frozen=True)
class Need:
    """One action on one resource.

    Attributes
    ----------
    action : str
        With its service, e.g. ``"iam:PassRole"``.
    context : Mapping[str, str]
        Condition keys of the call.
    """

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


#: The role by which Application Auto Scaling changes endpoints ("Amazon SageMaker AI and
#: Application Auto Scaling", Application Auto Scaling User Guide).
LINKED_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"
LINKED_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"

#: What SageMaker's operations name: the kind of the resource, and the parameter with its name.
_NAMED = {
    "Endpoint": ("endpoint", "EndpointName"),
    "EndpointConfig": ("endpoint-config", "EndpointConfigName"),
    "Model": ("model", "ModelName"),
    "ModelPackageGroup": ("model-package-group", "ModelPackageGroupName"),
    "ModelPackages": ("model-package-group", "ModelPackageGroupName"),
}
#: What target tracking does with alarms in the caller's name.
_ALARMS = {
    "PutScalingPolicy": ("DescribeAlarms", "PutMetricAlarm"),
    "DeleteScalingPolicy": ("DeleteAlarms",),
    "DeregisterScalableTarget": ("DeleteAlarms",),
}
_VERBS = ("Create", "Delete", "Describe", "Update", "List")
#: They know no resource.
_METRICS = ("GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData")
_LISTS = ("ListEndpoints", "ListEndpointConfigs", "ListModels", "ListModelPackageGroups")


def needs(service: str, operation: str, body: bytes, place: tuple[str, str]) -> Iterator[Need]:
    """Yield all needs of a call; nothing for calls that have no rule here.

    Parameters
    ----------
    service : str
        As IAM names it: ``"sagemaker"``, ``"logs"``.
    body : bytes
        The call's parameters, in JSON.
    place : tuple of str
        Account and region.
    """
    if service == "cloudwatch":
        if operation in _METRICS:
            yield Need(f"cloudwatch:{operation}", "*")
        return
    given = json.loads(body or b"{}")
    if service == "sagemaker":
        yield from _sagemaker(operation, given, place)
    elif service == "application-autoscaling":
        yield from _autoscaling(operation, given, place)
    elif service == "logs" and "logGroupName" in given:
        account, region = place
        group = f"arn:aws:logs:{region}:{account}:log-group:{given['logGroupName']}"
        stream = f":log-stream:{given['logStreamName']}" if "logStreamName" in given else ":*"
        yield Need(f"logs:{operation}", group + stream)


def _sagemaker(operation: str, given: Mapping[str, Any], place: tuple[str, str]) -> Iterator[Need]:
    action = f"sagemaker:{operation}"
    if operation in _LISTS:
        yield Need(action, "*")
    for index, arn in enumerate(_resources(operation, given, place)):
        yield Need(action, arn)
        if index == 0 and operation.startswith("Create") and given.get("Tags"):
            yield Need("sagemaker:AddTags", arn)
    if operation == "CreateModel" and "ExecutionRoleArn" in given:
        context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        yield Need("iam:PassRole", given["ExecutionRoleArn"], context)


def _autoscaling(
    operation: str, given: Mapping[str, Any], place: tuple[str, str]
) -> Iterator[Need]:
    """Yield the action and its dependent actions of the target's service and of CloudWatch.

    Source: "Permissions validation for Application Auto Scaling API calls on target resources",
    Application Auto Scaling User Guide; "Auto scaling prerequisites", SageMaker developer guide.
    """
    (account, region), action = place, f"application-autoscaling:{operation}"
    if operation.startswith("Describe"):
        yield Need(action, "*")
        return
    context = {"application-autoscaling:service-namespace": given["ServiceNamespace"]}
    context["application-autoscaling:scalable-dimension"] = given["ScalableDimension"]
    own = f"arn:aws:application-autoscaling:{region}:{account}:scalable-target/*"
    yield Need(action, own, context)
    if given["ServiceNamespace"] != "sagemaker":
        return
    name = str(given["ResourceId"])
    if operation == "RegisterScalableTarget":
        endpoint = f"arn:aws:sagemaker:{region}:{account}:endpoint/{name.split('/')[1].lower()}"
        yield Need("sagemaker:DescribeEndpoint", endpoint)
        yield Need("sagemaker:UpdateEndpointWeightsAndCapacities", endpoint)
        yield from _linked(account)
    alarms = f"arn:aws:cloudwatch:{region}:{account}:alarm:TargetTracking-{name}-Alarm"
    for needed in _ALARMS.get(operation, ()):
        yield Need(f"cloudwatch:{needed}", alarms)


def _linked(account: str) -> Iterator[Need]:
    """Yield the needs of an account's first registration, which makes the service-linked role."""
    if LINKED_ROLE not in {role.name for role in iam_backends[account]["aws"].get_roles()}:
        arn = f"arn:aws:iam::{account}:role/aws-service-role/{LINKED_SERVICE}/{LINKED_ROLE}"
        yield Need("iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": LINKED_SERVICE})


def _resources(operation: str, given: Mapping[str, Any], place: tuple[str, str]) -> Iterator[str]:
    """Yield the ARNs of an operation's resources; the first one is the new resource."""
    if operation in ("AddTags", "ListTags", "DeleteTags"):
        yield str(given.get("ResourceArn", "*"))
        return
    account, region = place
    if operation.endswith("ModelPackage"):
        yield _package(given, f"arn:aws:sagemaker:{region}:{account}:model-package/")
        return
    kind = next((operation.removeprefix(verb) for verb in _VERBS if operation.startswith(verb)), "")
    if kind == "EndpointWeightsAndCapacities":
        kind = "Endpoint"
    if kind not in _NAMED:
        return
    names = [_NAMED[kind]]
    if operation in ("CreateEndpoint", "UpdateEndpoint"):
        names.append(_NAMED["EndpointConfig"])
    for resource, parameter in names:
        name = str(given.get(parameter, "*")).lower().rpartition("/")[2]
        yield f"arn:aws:sagemaker:{region}:{account}:{resource}/{name}"


def _package(given: Mapping[str, Any], root: str) -> str:
    """Return the ARN of a model package that is named in one of several ways, or is to be made."""
    group = str(given.get("ModelPackageGroupName", "")).rpartition("/")[2]
    name = f"{group}/*" if group else given.get("ModelPackageName", given.get("ModelPackageArn"))
    return str(name) if str(name).startswith("arn:") else f"{root}{str(name).lower()}"


def install(cloud: Cloud) -> None:
    """Add the operation that the SageMaker SDK calls before every deployment."""
    IamResponse.simulate_principal_policy = (  # type: ignore[attr-defined]
        simulate_principal_policy
    )


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """Answer the decision of a principal's policies for each action on each resource."""
    source = self._get_param("PolicySourceArn")
    policies = [IAMPolicy(document) for document in policies_of(self.backend, source)]
    policies += [IAMPolicy(document) for document in self._get_param("PolicyInputList", [])]
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
    results = {policy.is_action_permitted(action, resource) for policy in policies}
    if PermissionResult.DENIED in results:
        return "explicitDeny"
    return "allowed" if PermissionResult.PERMITTED in results else "implicitDeny"


def policies_of(backend: IAMBackend, arn: str) -> list[Any]:
    """Return the attached and the inline policies of a role, or of a user with its groups.

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
