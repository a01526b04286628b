"""An ordinary user's script of Cloud Run: nothing in it knows of an emulator."""

import json
import os
import sys
from typing import Any

import requests
from google.auth.transport.requests import AuthorizedSession
from google.cloud import run_v2
from google.oauth2 import service_account

transport = sys.argv[1]
PARENT = "projects/kit/locations/us-central1"
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
BY_REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
services = run_v2.ServicesClient(transport=transport)
revisions = run_v2.RevisionsClient(transport=transport)
told: dict[str, Any] = {}


def template(revision: str) -> run_v2.RevisionTemplate:
    source = run_v2.GCSVolumeSource(bucket="kit-run", mount_options=["only-dir=model"])
    container = run_v2.Container(
        image="us-docker.pkg.dev/kit/kit/kit:1",
        volume_mounts=[run_v2.VolumeMount(name="model", mount_path="/opt/ml/model")],
        startup_probe=run_v2.Probe(http_get=run_v2.HTTPGetAction(path="/readyz")),
    )
    return run_v2.RevisionTemplate(
        revision=revision,
        volumes=[run_v2.Volume(name="model", gcs=source)],
        containers=[container],
    )


name = f"iris-{transport}"
first, second = f"{name}-1", f"{name}-2"
service = services.create_service(
    parent=PARENT, service_id=name, service=run_v2.Service(template=template(first))
).result()
told["ready"] = service.latest_ready_revision.rpartition("/")[2]
service.template = template(second)
service.traffic = [
    run_v2.TrafficTarget(type_=BY_REVISION, revision=first, percent=90),
    run_v2.TrafficTarget(type_=BY_REVISION, revision=second, percent=10, tag="canary"),
]
service = services.update_service(service=service).result()
told["traffic"] = [[each.revision, each.percent, each.tag] for each in service.traffic_statuses]
listed = revisions.list_revisions(parent=service.name)
told["revisions"] = [each.name.rpartition("/")[2] for each in listed]

account = service_account.IDTokenCredentials.from_service_account_file(
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"], target_audience=service.uri
)
session = AuthorizedSession(account)
told["service"] = session.post(f"{service.uri}/predict", json=ROW).json()
tag = service.traffic_statuses[1].uri
told["tag"] = session.post(f"{tag}/predict", json=ROW).json()
told["without a token"] = requests.post(f"{service.uri}/predict", json=ROW, timeout=600).status_code
services.delete_service(name=service.name).result()
told["left"] = [each.name for each in services.list_services(parent=PARENT) if name in each.name]
sys.stdout.write(json.dumps(told))
