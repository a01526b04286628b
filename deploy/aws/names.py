"""Names of our resources in SageMaker, and their tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tridock.deploy.target.records import Release

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

#: Tags of ours begin with it; an endpoint without the first belongs to others.
ENDPOINT = "tridock:endpoint"
BUNDLE, VERSION, DIGEST = "tridock:bundle", "tridock:version", "tridock:digest"


def prefix(endpoint: str) -> str:
    """Return the beginning of all names of an endpoint: no endpoint's name has two hyphens."""
    return f"{endpoint}--"


def model(endpoint: str, deployment: str) -> str:
    """Name the model of a deployment; at most 63 characters, which SageMaker takes."""
    return f"{prefix(endpoint)}{deployment}"


def config(endpoint: str, variants: Sequence[Mapping[str, Any]]) -> str:
    """Name an endpoint configuration by its content: the same again is the same."""
    content = json.dumps(list(variants), sort_keys=True, default=str)
    return f"{prefix(endpoint)}{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def tags(release: Release) -> list[TagTypeDef]:
    """Return the tags of a release's model."""
    values = {
        ENDPOINT: release.endpoint,
        BUNDLE: release.bundle,
        VERSION: release.version,
        DIGEST: release.digest,
    }
    return [{"Key": key, "Value": value} for key, value in values.items()]
