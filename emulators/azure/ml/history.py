"""The services beside Resource Manager: where a workspace's services are, and runs of jobs."""

from __future__ import annotations

from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.entra import MACHINE_LEARNING_AUDIENCES, MANAGEMENT_AUDIENCES
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import missing, not_emulated
from tridock.emulators.azure.servers.workspace import DATASTORE


class History:
    """Answers ``<region>.api.azureml.ms``."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def answer(self, call: Call) -> Answer:
        """Answer one request."""
        if call.path.startswith("/discovery/"):
            names = ("api", "history", "studio", "modelmanagement", "notebooks")
            return Answer(200, dict.fromkeys(names, call.front.api))
        self._cloud.entra.check(call, MACHINE_LEARNING_AUDIENCES + MANAGEMENT_AUDIENCES)
        if call.path.startswith("/history/") and call.path.endswith("/rundata"):
            return Answer(200, self._run(str(call.json().get("runId"))))
        raise not_emulated(f"{call.method} {call.path}")

    def _run(self, name: str) -> dict[str, Any]:
        """Describe a job as the run history does, with the folder of its output."""
        for job in self._cloud.store.below("/subscriptions"):
            if job.id.type.endswith("/jobs") and job.id.name == name:
                status = job.properties["status"]
                break
        else:
            raise missing(f"run {name}")
        place = {"dataStoreName": DATASTORE, "relativePath": f"azureml/{name}/score/"}
        uri = f"azureml://datastores/{DATASTORE}/paths/azureml/{name}/score/"
        output = {"assetId": uri, "type": "UriFolder", "uri": uri, **place}
        metadata = {"runId": name, "status": status, "outputs": {"score": output}}
        return {
            "runMetadata": metadata | {"runType": "azureml.PipelineRun"},
        }
