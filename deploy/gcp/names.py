"""Names of our resources in Vertex AI, and their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tridock.deploy.target.records import Release

#: An endpoint without it belongs to others.
ENDPOINT = "tridock-endpoint"
#: The deployment that a temporary endpoint of its own is for.
ALONE = "tridock-alone"
DEPLOYMENT, BUNDLE = "tridock-deployment", "tridock-bundle"
#: A digest has 64 digits and a label takes 63 characters ("Labels overview").
DIGEST = ("tridock-digest-1", "tridock-digest-2")
HALF = 32

#: Labels of an endpoint that remember its operations: the API shows no failed deployment.
DEPLOYING, UNDEPLOYING = "deploying-", "undeploying-"


def labels(release: Release) -> dict[str, str]:
    """Return the labels of a release's model version."""
    return {
        ENDPOINT: release.endpoint,
        DEPLOYMENT: release.name,
        BUNDLE: release.bundle,
        DIGEST[0]: release.digest[:HALF],
        DIGEST[1]: release.digest[HALF:],
    }


def digest(kept: Mapping[str, str]) -> str:
    """Return the digest that labels hold, or nothing."""
    return kept.get(DIGEST[0], "") + kept.get(DIGEST[1], "")


def deployed_id(endpoint: str, deployment: str) -> str:
    """Return a deployed model's id, made from its names: one of them cannot be there twice.

    At most ten digits (DeployedModel.id in endpoint.proto).
    """
    number = int.from_bytes(hashlib.sha256(f"{endpoint}/{deployment}".encode()).digest()[:8], "big")
    return str(number % (9 * 10**9) + 10**9)


def alone(endpoint: str, deployment: str) -> str:
    """Name the temporary endpoint of a deployment: at most 63 characters, an endpoint's limit."""
    return f"t-{deployed_id(endpoint, deployment)}-{endpoint}"[:63].rstrip("-")
