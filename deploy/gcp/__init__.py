"""Google Cloud as a target: Vertex AI, or Cloud Run."""

from __future__ import annotations

from tridock.deploy.target.plugins import Cloud, Prices, Setting

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

CLOUD = Cloud(
    settings=SETTINGS,
    services={
        "vertex-ai": "tridock.deploy.gcp.target:VertexTarget",
        "cloud-run": "tridock.deploy.gcp.cloud_run:CloudRunTarget",
    },
    provision="tridock.deploy.gcp.account:provision",
    ambient=("GOOGLE_", "CLOUDSDK_", "GCLOUD_", "STORAGE_EMULATOR_", "BIGQUERY_EMULATOR_"),
    prices=PRICES,
    advice="gcloud auth application-default login",
    required=("bucket", "image"),
)
