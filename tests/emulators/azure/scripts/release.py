"""What a user of Azure ML writes: a model, our image, blue and green, traffic, logs, the end."""

import json
import sys
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.identity import DefaultAzureCredential

bundle, work = sys.argv[1:]
facts: dict[str, object] = {}
client = MLClient(
    DefaultAzureCredential(), "55555555-5555-5555-5555-555555555555", "my-group", "my-workspace"
)

model = client.models.create_or_update(Model(name="iris", version="1", path=bundle))
facts["latest"] = client.models.get("iris", label="latest").version
client.models.download("iris", "1", f"{work}/download")
facts["files"] = sorted(path.name for path in Path(f"{work}/download").rglob("*.*"))


def route(path: str) -> dict[str, object]:
    return {"port": 8080, "path": path}


image = Environment(
    name="tridock",
    version="1",
    image="registry.azurecr.io/tridock:1",
    inference_config={
        "liveness_route": route("/healthz"),
        "readiness_route": route("/readyz"),
        "scoring_route": route("/score"),
    },
)
client.environments.create_or_update(image)

endpoints, deployments = client.online_endpoints, client.online_deployments
endpoint = ManagedOnlineEndpoint(name="release-ep", auth_mode="key", tags={"team": "a"})
facts["uri"] = endpoints.begin_create_or_update(endpoint).result().scoring_uri
for name in ("blue", "green"):
    deployment = ManagedOnlineDeployment(
        name=name,
        endpoint_name="release-ep",
        model="azureml:iris:1",
        environment="azureml:tridock:1",
        instance_type="Standard_DS3_v2",
        instance_count=1,
        request_settings=OnlineRequestSettings(
            request_timeout_ms=5000, max_concurrent_requests_per_instance=4
        ),
        tags={"digest": "abc"},
    )
    state = deployments.begin_create_or_update(deployment).result().provisioning_state
    facts[name] = str(state).rpartition(".")[2].lower()


def shift(**traffic: int) -> object:
    found = endpoints.get("release-ep")
    found.traffic = traffic
    return endpoints.begin_create_or_update(found).result().traffic


request = Path(work) / "request.json"
request.write_text(json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}))
facts["traffic"] = shift(blue=100)
facts["answer"] = json.loads(endpoints.invoke("release-ep", request_file=str(request)))
facts["split"] = shift(blue=70, green=30)
facts["log"] = deployments.get_logs("blue", "release-ep", lines=50)
facts["tags"] = deployments.get("blue", "release-ep").tags

blue = deployments.get("blue", "release-ep")
blue.instance_count = 2
facts["instances"] = deployments.begin_create_or_update(blue).result().instance_count

before = endpoints.get_keys("release-ep")
endpoints.begin_regenerate_keys("release-ep", key_type="secondary").result()
after = endpoints.get_keys("release-ep")
facts["primary kept"] = before.primary_key == after.primary_key
facts["secondary changed"] = before.secondary_key != after.secondary_key

shift(blue=100)
deployments.begin_delete("green", "release-ep").result()
facts["left"] = [one.name for one in deployments.list("release-ep")]
endpoints.begin_delete("release-ep").result()
facts["endpoints"] = [one.name for one in endpoints.list()]
sys.stdout.write("\n" + json.dumps(facts, default=str) + "\n")
