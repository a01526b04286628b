"""An ordinary user's script: nothing in it knows of an emulator."""

import json
import sys
from typing import Any

from google.cloud import aiplatform, storage

transport, bundle = sys.argv[1:]
ROW = [5.1, 3.5, 1.4, 0.2]
BODY = json.dumps({"instances": [ROW]}).encode()
HEADERS = {"Content-Type": "application/json"}
told: dict[str, Any] = {}

bucket = storage.Client(project="kit").create_bucket(f"kit-{transport}")
aiplatform.init(
    project="kit",
    location="us-central1",
    staging_bucket=f"gs://kit-{transport}",
    api_transport=transport,
)
container = {
    "serving_container_image_uri": "us-central1-docker.pkg.dev/kit/kit/kit:1",
    "serving_container_predict_route": "/predict",
    "serving_container_health_route": "/readyz",
}
blue = aiplatform.Model.upload(
    display_name=transport, artifact_uri=bundle, version_aliases=["blue"], **container
)
green = aiplatform.Model.upload(
    display_name=transport,
    artifact_uri=blue.uri,
    parent_model=blue.resource_name,
    is_default_version=False,
    version_aliases=["green"],
    **container,
)
registry = blue.versioning_registry
told["aliases"] = {v.version_id: sorted(v.version_aliases) for v in registry.list_versions()}
told["listed"] = len(aiplatform.Model.list(filter=f'display_name="{transport}"'))
told["labels"] = dict(blue.update(labels={"kit": "1"}).labels)
registry.add_version_aliases(["champion"], version="1")
registry.update_version("2", version_description="Ann: good", labels={"approval": "yes"})
registry.add_version_aliases(["champion"], version="2")
told["champion"] = registry.get_version_info("champion").version_id
told["described"] = [each.version_description for each in registry.list_versions()]
told["own labels"] = [dict(registry.get_model(number).labels) for number in ("1", "2")]
registry.remove_version_aliases(["champion"], version="2")

endpoint = aiplatform.Endpoint.create(display_name=transport)
endpoint.deploy(blue, machine_type="n1-standard-2", traffic_percentage=100)
told["predict"] = endpoint.predict(instances=[ROW]).predictions
green.deploy(endpoint=endpoint, machine_type="n1-standard-2", traffic_percentage=10)
told["split"] = sorted(endpoint.traffic_split.values())
versions = [endpoint.predict(instances=[ROW]).model_version_id for _ in range(20)]
told["shares"] = [versions.count("1"), versions.count("2")]
told["raw"] = endpoint.raw_predict(body=BODY, headers=HEADERS).text
told["raw_predict"] = endpoint.predict(instances=[ROW], use_raw_predict=True).predictions
told["stream"] = b"".join(endpoint.stream_raw_predict(body=BODY, headers=HEADERS)).decode()

lines = "\n".join([json.dumps(ROW)] * 5)
bucket.blob("in/rows.jsonl").upload_from_string(lines)
job = blue.batch_predict(
    job_display_name="rows",
    gcs_source=f"gs://kit-{transport}/in/rows.jsonl",
    gcs_destination_prefix=f"gs://kit-{transport}/out",
    machine_type="n1-standard-2",
)
outputs = [blob.download_as_text() for blob in job.iter_outputs() if "results" in blob.name]
told["batch"] = [json.loads(line)["prediction"] for text in outputs for line in text.splitlines()]

old = next(each.id for each in endpoint.list_models() if each.model_version_id == "1")
new = next(each.id for each in endpoint.list_models() if each.model_version_id == "2")
endpoint.update(traffic_split={old: 0, new: 100})
endpoint.undeploy(old)
told["left"] = len(endpoint.list_models())
endpoint.delete(force=True)
registry.delete_version("2")
blue.delete()
told["models"] = len(aiplatform.Model.list(filter=f'display_name="{transport}"'))
bucket.delete(force=True)
sys.stdout.write(json.dumps(told))
