"""The container of a deployed model, as Vertex AI starts it ("Custom container requirements")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tridock.emulators.fleet import Container
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.vertex.tenant import bucket

#: The real service gives a model server this long, unless the model says otherwise.
DEPLOYMENT_SECONDS = 30 * 60.0
#: Real seconds: an import takes the same time at any speed of the clock.
LEAST_REAL_SECONDS = 60.0


def container(deployed: Record, model: Record, *, endpoint: str, artifacts: Path) -> Container:
    """Return what is started for `deployed`, a version of `model`, on an endpoint of this name."""
    spec = model["containerSpec"]
    service = _service_environment(deployed, model, endpoint)
    variables = dict(service)
    for item in spec.get("env", []):
        variables[item["name"]] = _expanded(item.get("value", ""), variables)
    return Container(
        spec["imageUri"],
        artifacts if model.get("artifactUri") else None,
        variables,
        service["AIP_HEALTH_ROUTE"],
        int(service["AIP_HTTP_PORT"]),
        place="",
    )


def _service_environment(deployed: Record, model: Record, endpoint: str) -> dict[str, str]:
    spec = model["containerSpec"]
    project, key = endpoint.split("/")[1], endpoint.rpartition("/")[2]
    base = f"/v1/endpoints/{key}/deployedModels/{deployed['id']}"
    machine = deployed.get("dedicatedResources", {}).get("machineSpec", {})
    copied = f"gs://{bucket(deployed['id'])}/{model['name'].rpartition('/')[2]}/artifacts"
    return {
        "AIP_DEPLOYED_MODEL_ID": deployed["id"],
        "AIP_ENDPOINT_ID": key,
        "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
        "AIP_HEALTH_ROUTE": spec.get("healthRoute", base),
        "AIP_HTTP_PORT": str((spec.get("ports") or [{}])[0].get("containerPort", 8080)),
        "AIP_MACHINE_TYPE": machine.get("machineType", ""),
        "AIP_MODE": "PREDICTION",
        "AIP_MODE_VERSION": "1.0.0",
        "AIP_MODEL_NAME": key,
        "AIP_PREDICT_ROUTE": spec.get("predictRoute", f"{base}:predict"),
        "AIP_PROJECT_NUMBER": project,
        "AIP_STORAGE_URI": copied if model.get("artifactUri") else "",
        "AIP_VERSION_NAME": deployed["id"],
    }


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """Expand ``$(NAME)``; ``$$(NAME)`` stays (EnvVar in env_var.proto)."""
    return re.sub(
        r"\$(\$)?\((\w+)\)",
        lambda m: f"$({m[2]})" if m[1] else known.get(m[2], m[0]),
        value,
    )
