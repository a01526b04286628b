"""Limits by Google's documents, checked before anything is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

#: Request and answer of a shared public endpoint, and of a dedicated one ("Choose an endpoint
#: type", Vertex AI).
SHARED_BYTES = 1_500_000
DEDICATED_BYTES = 10_000_000
SHARED_SECONDS = 60.0
DEDICATED_SECONDS = 600.0

#: "AutoscalingMetricSpec" in google/cloud/aiplatform/v1/machine_resources.proto.
_FOLLOWED = tuple(
    f"aiplatform.googleapis.com/prediction/online/{name}"
    for name in ("accelerator/duty_cycle", "cpu/utilization", "request_count")
)
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_IMAGE = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)/[^\s]+")
_MACHINE = re.compile(r"[a-z][a-z0-9]*-(standard|highmem|highcpu|highgpu|megagpu|ultragpu)-\w+")


def check_labels(resource: Mapping[str, Any], kind: str) -> None:
    """Refuse labels that Google Cloud does not take ("Labels: requirements").

    Raises
    ------
    InvalidArgumentError
        Naming the first that does not fit.
    """
    for key, value in resource.get("labels", {}).items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise _invalid(
                f"{kind}.labels",
                f"Label '{key}': '{value}' is not valid. Keys and values can be no longer than 63 "
                "characters and only contain lowercase letters, numeric characters, underscores "
                "and dashes; keys must start with a letter.",
            )


def check_display_name(resource: Mapping[str, Any], kind: str) -> None:
    """Refuse a display name longer than 128 characters.

    Raises
    ------
    InvalidArgumentError
        If it is longer.
    """
    if len(resource.get("displayName", "")) > 128:
        raise _invalid(f"{kind}.display_name", "Must be at most 128 characters long.")


def check_model_id(name: str) -> None:
    """Refuse a Model's id of another form (UploadModelRequest in model_service.proto).

    Raises
    ------
    InvalidArgumentError
        If it is not empty and does not fit.
    """
    if name and not _MODEL_ID.fullmatch(name):
        raise _invalid(
            "model_id",
            f"'{name}' must be up to 63 characters of [a-z0-9_-], the first no number or hyphen.",
        )


def check_aliases(aliases: Iterable[str]) -> None:
    """Refuse version aliases of another form (google/cloud/aiplatform/v1/model.proto).

    Raises
    ------
    InvalidArgumentError
        Naming the first that does not fit.
    """
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise _invalid(
                "model.version_aliases",
                f"Version alias '{alias}' must match [a-z][a-zA-Z0-9-]{{0,126}}[a-z0-9].",
            )


def check_image(uri: str) -> None:
    """Refuse images from elsewhere than Artifact Registry ("Custom container requirements").

    Raises
    ------
    InvalidArgumentError
        If it is from elsewhere.
    """
    if not _IMAGE.fullmatch(uri):
        raise _invalid(
            "model.container_spec.image_uri",
            f"'{uri}' is not an image in Artifact Registry or Container Registry.",
        )


def check_resources(deployed: Mapping[str, Any]) -> None:
    """Refuse replica counts and machines that v1 does not take.

    Raises
    ------
    InvalidArgumentError
        Naming the field.
    """
    if "dedicatedResources" not in deployed:
        if "automaticResources" in deployed or "sharedResources" in deployed:
            raise _invalid(
                "deployed_model",
                "Models with a custom container support DEDICATED_RESOURCES only.",
            )
        raise _invalid("deployed_model.dedicated_resources", "Required field is not set.")
    resources = deployed["dedicatedResources"]
    where = "deployed_model.dedicated_resources"
    least = resources.get("minReplicaCount", 0)
    if least < 1:
        raise _invalid(f"{where}.min_replica_count", "Must be greater than or equal to 1.")
    if resources.get("maxReplicaCount", least) < least:
        raise _invalid(f"{where}.max_replica_count", "Must be at least min_replica_count.")
    for spec in resources.get("autoscalingMetricSpecs", ()):
        if spec.get("metricName") not in _FOLLOWED:
            text = f"'{spec.get('metricName', '')}' is not a supported metric."
            raise _invalid(f"{where}.autoscaling_metric_specs.metric_name", text)
    machine = resources.get("machineSpec", {}).get("machineType", "")
    if not _MACHINE.fullmatch(machine):
        raise _invalid(
            f"{where}.machine_spec.machine_type",
            f"Machine type '{machine}' is not supported.",
        )


def check_split(split: Mapping[str, int], deployed: Iterable[str]) -> None:
    """Refuse a traffic split that does not sum to 100 or names what is not deployed.

    Raises
    ------
    InvalidArgumentError
        Saying which.
    """
    if not split:
        return
    unknown = sorted(set(split) - set(deployed))
    if unknown:
        raise _invalid(
            "endpoint.traffic_split", f"DeployedModel ids {unknown} are not on the Endpoint."
        )
    if sum(split.values()) != 100 or any(share < 0 for share in split.values()):
        raise _invalid(
            "endpoint.traffic_split", f"Traffic percentages must add up to 100: {dict(split)}."
        )


def _invalid(field: str, words: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"List of found errors:\t1.Field: {field}; Message: {words}\t")
