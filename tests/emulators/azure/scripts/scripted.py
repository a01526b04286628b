"""A user's own score.py, and one that crashes; batch scoring; the metadata way if it is asked."""

import json
import os
import sys
import time
from pathlib import Path

from azure.ai.ml import Input, MLClient
from azure.ai.ml.entities import (
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

work = Path(sys.argv[1])
name = sys.argv[2]
facts: dict[str, object] = {}

(work / "model").mkdir()
(work / "model" / "weights.json").write_text('{"w": 2}')
(work / "src").mkdir()
(work / "src" / "score.py").write_text("""
import json, os
from pathlib import Path

def init():
    global weight
    found, = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weights.json")
    weight = json.loads(found.read_text())["w"]

def run(raw):
    return [weight * x for x in json.loads(raw)["x"]]
""")
(work / "src" / "batch.py").write_text("""
from pathlib import Path

def init():
    global seen
    seen = 0

def run(mini_batch):
    global seen
    seen += 1
    return [f"{Path(f).name} {2 * float(Path(f).read_text()):g} batch {seen}" for f in mini_batch]
""")
(work / "bad").mkdir()
(work / "bad" / "score.py").write_text("""
def init():
    raise OSError("weights are missing")

def run(raw):
    return raw
""")

options = {}
if os.environ.get("ARM_CLOUD_METADATA_URL"):
    options = {"authority": os.environ["AUTHORITY"], "disable_instance_discovery": True}
credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    **options,
)
client = MLClient(credential, "77777777-7777-7777-7777-777777777777", "rg", "ws")
client.models.create_or_update(Model(name="linear", version="1", path=str(work / "model")))
client.environments.create_or_update(Environment(name="py", version="1", image="mcr/minimal:1"))
endpoint = client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
facts["uri"] = endpoint.scoring_uri


def deploy(deployment: str, folder: str) -> object:
    code = CodeConfiguration(code=str(work / folder), scoring_script="score.py")
    wanted = ManagedOnlineDeployment(
        name=deployment,
        endpoint_name=name,
        model="azureml:linear:1",
        environment="azureml:py:1",
        code_configuration=code,
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    return client.online_deployments.begin_create_or_update(wanted).result().provisioning_state


deploy("blue", "src")
endpoint.traffic = {"blue": 100}
client.online_endpoints.begin_create_or_update(endpoint).result()
request = work / "request.json"
request.write_text('{"x": [1, 2, 3]}')
facts["answer"] = client.online_endpoints.invoke(name, request_file=str(request))
try:
    deploy("crashing", "bad")
except HttpResponseError as error:
    facts["crash"] = str(error)
facts["crashed state"] = client.online_deployments.get("crashing", name).provisioning_state
facts["crash log"] = client.online_deployments.get_logs("crashing", name, lines=50)

batch = f"{name}-batch"
client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=batch)).result()
settings = ModelBatchDeploymentSettings(
    mini_batch_size=2,
    instance_count=1,
    max_concurrency_per_instance=1,
    output_action="append_row",
    output_file_name="rows.csv",
    retry_settings=BatchRetrySettings(max_retries=1, timeout=30),
    error_threshold=0,
)
client.batch_deployments.begin_create_or_update(
    ModelBatchDeployment(
        name="one",
        endpoint_name=batch,
        model="azureml:linear:1",
        environment="azureml:py:1",
        compute="cluster",
        code_configuration=CodeConfiguration(code=str(work / "src"), scoring_script="batch.py"),
        settings=settings,
    )
).result()
found = client.batch_endpoints.get(batch)
found.defaults.deployment_name = "one"
client.batch_endpoints.begin_create_or_update(found).result()
(work / "input").mkdir()
for number in range(3):
    (work / "input" / f"{number}.txt").write_text(str(number))
job = client.batch_endpoints.invoke(batch, input=Input(type="uri_folder", path=str(work / "input")))
while client.jobs.get(job.name).status not in ("Completed", "Failed"):
    time.sleep(0.1)
facts["job"] = client.jobs.get(job.name).status
facts["jobs"] = [one.name == job.name for one in client.batch_endpoints.list_jobs(batch)]
client.jobs.download(job.name, download_path=str(work / "out"), output_name="score")
(rows,) = (work / "out").rglob("rows.csv")
facts["rows"] = rows.read_text().splitlines()
sys.stdout.write("\n" + json.dumps(facts, default=str) + "\n")
