"""Our records and Container Apps' resources, one into the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tridock.deploy.azure.account import Account
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.records import Deployment, Endpoint, Release, Scaling, State

#: Marks what is ours.
TAG = "tridock"

PORT = 8080
#: Revisions have no tags: what the cloud keeps of a release is in their environment, which
#: cannot be changed.
KEPT = ("bundle", "version", "digest", "instance")
MARK = "TRIDOCK_RELEASE_"

#: Name of the rule that a release's `[scaling]` makes.
RULE = "tridock"

SETTLED = {"succeeded", "failed", "canceled"}


def revision_name(endpoint: str, deployment: str) -> str:
    """Return what Container Apps calls a deployment."""
    return f"{endpoint}--{deployment}"


def template(release: Release, server: str) -> dict[str, Any]:
    """Return the template whose revision runs a release as the identity `server`."""
    cpu = cpus(release.instance)
    probe = {"type": "Readiness", "httpGet": {"path": "/readyz", "port": PORT}}
    container = {
        "name": "model",
        "image": release.image,
        "env": [
            {"name": name, "value": value} for name, value in environment(release, server).items()
        ],
        "resources": {"cpu": cpu, "memory": f"{cpu * MEMORY:g}Gi"},
        "probes": [{**probe, "initialDelaySeconds": 3, "periodSeconds": 5, "failureThreshold": 48}],
    }
    return {"revisionSuffix": release.name, "containers": [container], "scale": _scale(release)}


def scaling_of(template: Any) -> Scaling | None:
    """Read what the replicas of a revision follow; None where it has no rule of ours."""
    scale = template.scale
    for rule in (scale.rules if scale else None) or ():
        if rule.name == RULE and rule.http:
            target = int((rule.http.metadata or {})["concurrentRequests"])
            return Scaling(scale.min_replicas or 0, scale.max_replicas, "concurrency", target)
    return None


def _scale(release: Release) -> dict[str, Any]:
    """Return a template's scale ("Set scaling rules in Azure Container Apps")."""
    wanted = release.scaling
    if wanted is None:
        return {"minReplicas": release.count, "maxReplicas": release.count}
    followed = {"concurrentRequests": str(wanted.target)}
    rules = [{"name": RULE, "http": {"metadata": followed}}]
    return {"minReplicas": wanted.minimum, "maxReplicas": wanted.maximum, "rules": rules}


def environment(release: Release, server: str) -> dict[str, str]:
    """Return a container's variables: the path of its bundle, and the kept facts of the release."""
    identity = {"TRIDOCK_IDENTITY_ID": server} if server else {}
    kept = {MARK + name.upper(): str(getattr(release, name)) for name in KEPT}
    settings = {"PORT": str(PORT), "TRIDOCK_BUNDLE_URI": release.artifact, **release.variables}
    return {**settings, **identity, **kept}


def app(account: Account, release: Release, place: tuple[str, str]) -> dict[str, Any]:
    """Return a new app in a managed environment, `place`: its id and location."""
    ingress = {"external": True, "targetPort": PORT, "transport": "http"}
    traffic = [{"revisionName": revision_name(release.endpoint, release.name), "weight": 100}]
    configuration: dict[str, Any] = {
        "activeRevisionsMode": "Multiple",
        "ingress": {**ingress, "traffic": traffic},
    }
    if account.server and ".azurecr." in release.image:
        server = release.image.partition("/")[0]
        configuration["registries"] = [{"server": server, "identity": account.server}]
    properties = {
        "managedEnvironmentId": place[0],
        "configuration": configuration,
        "template": template(release, account.server),
    }
    known = {"location": place[1], "tags": {TAG: "1"}, "identity": identity(account.server)}
    return {**known, "properties": properties}


def identity(server: str) -> dict[str, Any]:
    """Return what a container runs as; without `server`, an identity of its own."""
    if not server:
        return {"type": "SystemAssigned"}
    return {"type": "UserAssigned", "userAssignedIdentities": {server: {}}}


def shares(described: Any) -> dict[str, int]:
    """Return an app's traffic by deployment, without zeros."""
    ingress = described.properties.configuration.ingress
    weights = (ingress.traffic if ingress else None) or ()
    start = revision_name(described.name, "")
    return {
        str(weight.revision_name).removeprefix(start): int(weight.weight)
        for weight in weights
        if weight.weight and weight.revision_name
    }


def endpoint_record(described: Any, revisions: Iterable[Any]) -> Endpoint:
    """Return an app as the core knows it; inactive revisions are no deployments."""
    records = {
        one.name: one for one in (_deployment(described.name, revision) for revision in revisions)
    }
    provisioning = _word(described.properties.provisioning_state)
    ready = any(record.state is State.READY for record in records.values())
    state = (
        State.READY
        if provisioning == "succeeded" or (provisioning in SETTLED and ready)
        else State.FAILED
    )
    if provisioning not in SETTLED:
        state = State.DELETING if provisioning == "deleting" else State.UPDATING
    ingress = described.properties.configuration.ingress
    return Endpoint(
        name=described.name,
        deployments=records,
        traffic=shares(described),
        state=state,
        reason="Azure says that the app failed" if state is State.FAILED else "",
        url=f"https://{ingress.fqdn}" if ingress and ingress.fqdn else "",
    )


def variables(revision: Any) -> dict[str, str]:
    """Return the environment of a revision's container."""
    return {one.name: one.value or "" for one in revision.properties.template.containers[0].env}


def differences(revision: Any, release: Release, server: str) -> list[str]:
    """Return the differences of an existing revision from `release`."""
    held = revision.properties.template
    runs = {
        "image": (held.containers[0].image, release.image),
        "scaling": (scaling_of(held), release.scaling),
        "count": (_count(held, release), release.count),
        **_pairs(variables(revision), environment(release, server)),
    }
    return [
        f"{name} {value!r}, not {ours!r}" for name, (value, ours) in runs.items() if value != ours
    ]


def _pairs(
    tags: Mapping[str, str], ours: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    return {name: (tags.get(name), ours.get(name)) for name in {*tags, *ours}}


def _count(held: Any, release: Release) -> int:
    return release.count if release.scaling else int(held.scale.min_replicas or 0)


def _deployment(endpoint: str, revision: Any) -> Deployment:
    about = revision.properties
    kept = variables(revision)
    marks: dict[str, Any] = {name: kept.get(MARK + name.upper(), "") for name in KEPT}
    state = _state(about)
    return Deployment(
        name=revision.name.removeprefix(revision_name(endpoint, "")),
        state=state,
        reason=(about.provisioning_error or "the revision failed") if state is State.FAILED else "",
        count=int(about.replicas or 0),
        created=about.created_time,
        scaling=scaling_of(about.template),
        **marks,
    )


def _state(about: Any) -> State:
    provisioning, health = _word(about.provisioning_state), _word(about.health_state)
    if "failed" in (provisioning, _word(about.running_state)):
        return State.FAILED
    if provisioning.startswith("deprovision"):
        return State.DELETING
    return (
        State.READY if provisioning == "provisioned" and health != "unhealthy" else State.CREATING
    )


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "").lower()


# Machine sizes as CPUs and memory, which Container Apps and Container Instances sell.

#: CPUs of virtual machines ("Sizes for virtual machines in Azure").
CPUS = {
    "Standard_DS2_v2": 2.0,
    "Standard_DS3_v2": 4.0,
    "Standard_DS4_v2": 8.0,
    "Standard_E2s_v3": 2.0,
    "Standard_E4s_v3": 4.0,
    "Standard_F2s_v2": 2.0,
    "Standard_F4s_v2": 4.0,
    "Standard_F8s_v2": 8.0,
}
DEFAULT = 1.0

#: GiB of memory for each CPU.
MEMORY = 2.0

#: The most CPUs of one container in the Consumption plan, and in most regions of ACI.
MOST = 4.0


def cpus(instance: str) -> float:
    """Return the CPUs of a machine size, or of a plain number of them, at most `MOST`.

    Raises
    ------
    ConfigError
        If `instance` is neither.
    """
    try:
        number = CPUS[instance] if instance in CPUS else float(instance or DEFAULT)
    except ValueError:
        raise ConfigError(
            f"azure.instance is {instance!r}: for this service give a number of CPUs such as "
            f"0.5, or one of {', '.join(CPUS)}"
        ) from None
    return min(number, MOST)
