"""Google Cloud as a target: Vertex AI, or Cloud Run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.plugins import Cloud, Prices, Setting

if TYPE_CHECKING:
    from tridock.deploy.target.protocol import Target

# What a machine costs per hour.

#: Online prediction, per replica. Other regions differ by up to a half.
PRICES = Prices(
    {
        "e2-standard-2": 0.0771,
        "e2-standard-4": 0.1541,
        "e2-standard-8": 0.3082,
        "n1-standard-2": 0.1095,
        "n1-standard-4": 0.2190,
        "n1-standard-8": 0.4379,
        "n1-highmem-2": 0.1364,
        "n1-highmem-4": 0.2727,
        "n1-highcpu-4": 0.1634,
    },
    source="an estimate of November 2026 that was not compared with the price list, which is: "
    "Vertex AI pricing, custom-trained models, online prediction, us-central1",
)


SETTINGS = {
    "service": Setting("vertex-ai", "what runs the model: vertex-ai or cloud-run"),
    "project": Setting("", "project id; by default the credentials'", account=True),
    "location": Setting("us-central1", "region of endpoints, models and services"),
    "bucket": Setting("", "bucket for bundles, which Terraform makes", account=True),
    "service_account": Setting(
        "",
        "what containers run as, which Terraform makes; by default Vertex AI's own",
        account=True,
        runs=True,
    ),
    "image": Setting("", "the model server's image in Artifact Registry", account=True, runs=True),
    "instance": Setting("n1-standard-2", "machine type", runs=True),
    "count": Setting("1", "number of replicas of each deployment"),
}


def _open(settings: Mapping[str, str]) -> Target:
    service = settings["service"]
    if service == "cloud-run":
        from tridock.deploy.gcp.cloud_run import CloudRunTarget

        return CloudRunTarget.connect(settings)
    if service == "vertex-ai":
        from tridock.deploy.gcp.target import VertexTarget

        return VertexTarget.connect(settings)
    raise ConfigError(f"gcp.service is {service!r}: choose vertex-ai or cloud-run")


def _provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    from tridock.deploy.gcp.provision import provision

    return provision(settings)


CLOUD = Cloud(
    settings=SETTINGS,
    open=_open,
    provision=_provision,
    ambient=("GOOGLE_", "CLOUDSDK_", "GCLOUD_", "STORAGE_EMULATOR_", "BIGQUERY_EMULATOR_"),
    prices=PRICES,
    advice="gcloud auth application-default login",
    required=("bucket", "image"),
)
