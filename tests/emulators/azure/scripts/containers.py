"""What a user of Container Apps and Container Instances writes, by the management clients."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.mgmt.appcontainers import ContainerAppsAPIClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance import models as aci
from azure.storage.blob import ContainerClient

bundle, signature = sys.argv[1:]
SUBSCRIPTION, GROUP = "55555555-5555-5555-5555-555555555555", "my-containers"
STORAGE = "https://tridockblobs.blob.core.windows.net/scripts"
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
facts: dict[str, object] = {}
credential = DefaultAzureCredential()

with ContainerClient.from_container_url(STORAGE, credential=credential) as storage:
    if not storage.exists():
        storage.create_container()
    for file in Path(bundle).rglob("*"):
        if file.is_file():
            name = f"iris/{file.relative_to(bundle).as_posix()}"
            storage.upload_blob(name, file.read_bytes(), overwrite=True)


def template(suffix: str, address: str, **scale: object) -> dict[str, object]:
    container = {
        "name": "model",
        "image": "registry.azurecr.io/tridock:1",
        "env": [{"name": "TRIDOCK_BUNDLE_URI", "value": address}],
        "resources": {"cpu": 0.5, "memory": "1Gi"},
        "probes": [{"type": "Readiness", "httpGet": {"path": "/readyz", "port": 8080}}],
    }
    return {
        "revisionSuffix": suffix,
        "containers": [container],
        "scale": {"minReplicas": 1, **scale},
    }


def refused(call: Any, *arguments: object) -> object:
    try:
        call(*arguments).result()
    except HttpResponseError as error:
        return [error.status_code, error.error.code if error.error else ""]
    return "nothing"


apps: Any = ContainerAppsAPIClient(credential, SUBSCRIPTION)
environment = apps.managed_environments.begin_create_or_update(
    GROUP, "my-environment", {"location": "eastus", "properties": {}}
).result()
facts["environment"] = environment.properties.provisioning_state
ingress = {
    "external": True,
    "targetPort": 8080,
    "traffic": [{"revisionName": "iris--blue", "weight": 100}],
}
app = {
    "location": "eastus",
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "managedEnvironmentId": environment.id,
        "configuration": {"activeRevisionsMode": "Multiple", "ingress": ingress},
        "template": template("blue", f"{STORAGE}/iris"),
    },
}
making = apps.container_apps.begin_create_or_update(GROUP, "iris", app)
facts["while it is made"] = apps.container_apps.get(GROUP, "iris").properties.provisioning_state
changed = {"properties": {"template": template("green", f"{STORAGE}/iris?{signature}")}}
facts["busy"] = refused(apps.container_apps.begin_update, GROUP, "iris", changed)
made = making.result()
facts["made"] = made.properties.provisioning_state
apps.container_apps.begin_update(GROUP, "iris", changed).result()
revisions = {one.name: one for one in apps.container_apps_revisions.list_revisions(GROUP, "iris")}
facts["revisions"] = {
    name: [one.properties.running_state, one.properties.traffic_weight]
    for name, one in sorted(revisions.items())
}
hosts = [made.properties.configuration.ingress.fqdn]
hosts += [revisions[name].properties.fqdn for name in sorted(revisions)]
facts["answers"] = [httpx.post(f"https://{host}/predict", json=ROW).json() for host in hosts]


def traffic(*weights: tuple[str, int]) -> dict[str, object]:
    told = [{"revisionName": f"iris--{name}", "weight": weight} for name, weight in weights]
    return {"properties": {"configuration": {"ingress": {"traffic": told}}}}


update = apps.container_apps.begin_update
facts["sum"] = refused(update, GROUP, "iris", traffic(("blue", 60)))
facts["ghost"] = refused(update, GROUP, "iris", traffic(("ghost", 100)))
wrong = template("blue", f"{STORAGE}/other")
facts["suffix"] = refused(update, GROUP, "iris", {"properties": {"template": wrong}})
broken = template("broken", f"{STORAGE}/absent")
facts["broken"] = refused(update, GROUP, "iris", {"properties": {"template": broken}})
failed = apps.container_apps_revisions.get_revision(GROUP, "iris", "iris--broken").properties
facts["failed"] = [failed.running_state, "holds nothing" in (failed.provisioning_error or "")]
update(GROUP, "iris", traffic(("blue", 30), ("green", 70))).result()
facts["split"] = [
    apps.container_apps_revisions.get_revision(GROUP, "iris", name).properties.traffic_weight
    for name in ("iris--blue", "iris--green")
]
replicas = apps.container_apps_revision_replicas.list_replicas(GROUP, "iris", "iris--green")
stream = replicas.value[0].properties.containers[0].log_stream_endpoint
token = apps.container_apps.get_auth_token(GROUP, "iris").properties.token
headers = {"Authorization": f"Bearer {token}"}
told = httpx.get(stream, params={"tailLines": "2"}, headers=headers)
facts["log"] = [len(told.text.splitlines()), httpx.get(stream).status_code]
update(GROUP, "iris", traffic(("green", 100))).result()
apps.container_apps_revisions.deactivate_revision(GROUP, "iris", "iris--blue")
blue = apps.container_apps_revisions.get_revision(GROUP, "iris", "iris--blue").properties
facts["off"] = [blue.active, httpx.get(f"https://{blue.fqdn}/readyz").status_code]
rule = {"name": "busy", "http": {"metadata": {"concurrentRequests": "1"}}}
sleepy = template("zero", f"{STORAGE}/iris", minReplicas=0, maxReplicas=2, rules=[rule])
update(GROUP, "iris", {"properties": {"template": sleepy}}).result()


def scaled(count: int) -> list[object]:
    """Wait until a revision has so many replicas, and say how it is."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        seen = apps.container_apps_revisions.get_revision(GROUP, "iris", "iris--zero").properties
        if seen.replicas == count:
            break
        time.sleep(0.05)
    return [seen.replicas, seen.running_state]


facts["asleep"] = scaled(0)
zero = apps.container_apps_revisions.get_revision(GROUP, "iris", "iris--zero").properties.fqdn
facts["woken"] = [httpx.post(f"https://{zero}/predict", json=ROW, timeout=600).json(), scaled(1)]
with ThreadPoolExecutor(4) as clients, httpx.Client() as client:
    asking = True

    def ask(_: int) -> None:
        while asking:
            client.get(f"https://{zero}/readyz")

    for number in range(4):
        clients.submit(ask, number)
    facts["busy replicas"] = scaled(2)
    asking = False
apps.container_apps.begin_delete(GROUP, "iris").result()
facts["left"] = [one.name for one in apps.container_apps.list_by_resource_group(GROUP)]

instances: Any = ContainerInstanceManagementClient(credential, SUBSCRIPTION)
asked = aci.ResourceRequirements(requests=aci.ResourceRequests(cpu=1.0, memory_in_gb=2.0))
container = aci.Container(
    name="model",
    image="registry.azurecr.io/tridock:1",
    ports=[aci.ContainerPort(port=8080)],
    environment_variables=[
        aci.EnvironmentVariable(
            name="TRIDOCK_BUNDLE_URI", secure_value=f"{STORAGE}/iris?{signature}"
        )
    ],
    resources=asked,
)
group = aci.ContainerGroup(
    location="eastus",
    containers=[container],
    os_type="Linux",
    ip_address=aci.IpAddress(type="Public", ports=[aci.Port(port=8080)], dns_name_label="iris"),
)
started = instances.container_groups.begin_create_or_update(GROUP, "iris", group).result()
facts["group"] = [started.provisioning_state, started.instance_view.state]
facts["secret"] = started.containers[0].environment_variables[0].secure_value
address = f"http://{started.ip_address.fqdn}:8080"
deadline = time.monotonic() + 300
while not httpx.get(f"{address}/readyz").is_success and time.monotonic() < deadline:
    time.sleep(0.1)
facts["group answers"] = httpx.post(f"{address}/predict", json=ROW).json()
facts["other port"] = httpx.get(f"http://{started.ip_address.fqdn}/readyz").status_code
facts["group log"] = bool(instances.containers.list_logs(GROUP, "iris", "model", tail=2).content)
instances.container_groups.begin_delete(GROUP, "iris").result()
facts["groups left"] = [
    one.name for one in instances.container_groups.list_by_resource_group(GROUP)
]
sys.stdout.write(json.dumps(facts) + "\n")
