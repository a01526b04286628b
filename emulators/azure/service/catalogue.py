"""Every resource type that is emulated, by its name."""

from __future__ import annotations

from tridock.emulators.azure.apps.apps import ContainerApps
from tridock.emulators.azure.apps.container_groups import TYPE, ContainerGroups, ContainerLogs
from tridock.emulators.azure.apps.revisions import Replicas, Revisions
from tridock.emulators.azure.batch.batch import BatchDeployments, BatchEndpoints
from tridock.emulators.azure.batch.jobs import Jobs
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.environments import ManagedEnvironments
from tridock.emulators.azure.core.group import Groups
from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.ml.deployments import OnlineDeployments
from tridock.emulators.azure.ml.endpoints import OnlineEndpoints
from tridock.emulators.azure.monitor.autoscale import TYPE as AUTOSCALE
from tridock.emulators.azure.monitor.autoscale import AutoscaleSettings
from tridock.emulators.azure.servers.assets import MODELS, Containers, Versions
from tridock.emulators.azure.servers.rollout import Rollout
from tridock.emulators.azure.servers.workspace import Datastores, StorageAccounts, Workspaces

WORKSPACES = "microsoft.machinelearningservices/workspaces"
APPS = "microsoft.app/containerapps"
ENVIRONMENTS = "microsoft.app/managedenvironments"
ACCOUNTS = "microsoft.storage/storageaccounts"

#: Types that a deployer's surroundings are made of: kept, and nothing more.
KEPT = (
    "microsoft.authorization/roleassignments",
    "microsoft.containerregistry/registries",
    "microsoft.insights/components",
    "microsoft.insights/metricalerts",
    "microsoft.keyvault/vaults",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.operationalinsights/workspaces",
    f"{WORKSPACES}/computes",
)


class Catalogue:
    """The emulated types and what answers for them.

    Attributes
    ----------
    kinds : dict of str to Kind
        By full type name in lower case.
    groups : Groups
        Resource groups.
    jobs : Jobs
        Batch jobs.
    rollout : Rollout
        What brings model servers up.
    revisions : Revisions
        Of container apps.
    instances : ContainerGroups
        Container Instances.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.kinds: dict[str, Kind] = {name: Kind(cloud) for name in KEPT}
        self.kinds[ACCOUNTS] = StorageAccounts(cloud)
        self.kinds[AUTOSCALE] = AutoscaleSettings(cloud)
        self.groups = Groups(cloud, self.kinds)
        workspaces = Workspaces(cloud, self.groups)
        self.kinds[WORKSPACES] = workspaces
        self._add("datastores", Datastores(cloud, workspaces))
        for name in MODELS:
            self._add(name, Containers(cloud, workspaces, name))
            self._add(f"{name}/versions", Versions(cloud, workspaces, name))
        self.rollout = Rollout(cloud)
        endpoints = OnlineEndpoints(cloud, workspaces, self.rollout)
        self._add("onlineendpoints", endpoints)
        self._add("onlineendpoints/deployments", OnlineDeployments(cloud, endpoints, self.rollout))
        self._add("batchendpoints", BatchEndpoints(cloud, workspaces))
        self._add("batchendpoints/deployments", BatchDeployments(cloud, workspaces))
        self.jobs = Jobs(cloud)
        self._add("jobs", self.jobs)
        environments = ManagedEnvironments(cloud)
        self.revisions = Revisions(cloud, self.rollout)
        self.kinds[ENVIRONMENTS] = environments
        self.kinds[APPS] = ContainerApps(cloud, environments, self.revisions)
        self.kinds[f"{APPS}/revisions"] = self.revisions
        self.kinds[f"{APPS}/revisions/replicas"] = Replicas(cloud, self.revisions)
        self.instances = ContainerGroups(cloud, self.rollout)
        self.kinds[TYPE] = self.instances
        self.kinds[f"{TYPE}/containers/logs"] = ContainerLogs(cloud, self.instances)

    def _add(self, name: str, kind: Kind) -> None:
        self.kinds[f"{WORKSPACES}/{name}"] = kind
