"""azure-ai-ml: blue and green behind one managed online endpoint.

`python azure_ml.py FOLDER SUBSCRIPTION GROUP WORKSPACE`: the folder is a bundle.
"""

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

folder, *workspace = sys.argv[1:]
client = MLClient(DefaultAzureCredential(), *workspace)
endpoints, deployments = client.online_endpoints, client.online_deployments

model = client.models.create_or_update(Model(name="iris", path=folder))
port = 8080
environment = client.environments.create_or_update(
    Environment(
        name="tridock",
        image="tridock.azurecr.io/tridock:latest",
        inference_config={
            "liveness_route": {"port": port, "path": "/healthz"},
            "readiness_route": {"port": port, "path": "/readyz"},
            "scoring_route": {"port": port, "path": "/score"},
        },
    )
)

name = "iris-azure"
endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
endpoints.begin_create_or_update(endpoint).result()
for color in ("blue", "green"):
    deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name=color,
            endpoint_name=name,
            model=model,
            environment=environment,
            instance_type="Standard_DS3_v2",
            instance_count=1,
            request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=8),
        )
    ).result()

request = Path("request.json")
request.write_text(json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}))
for traffic in ({"blue": 100}, {"blue": 50, "green": 50}, {"green": 100}):
    endpoint = endpoints.get(name)
    endpoint.traffic = traffic
    endpoints.begin_create_or_update(endpoint).result()
    print()
    print(traffic, endpoints.invoke(name, request_file=str(request)))

print(deployments.get_logs("green", name, lines=2))
endpoints.begin_delete(name).result()
print("endpoints left:", [one.name for one in endpoints.list()])
