"""Starting jobs of batch endpoints.

The SDK's `invoke` sends a request again whose connection broke, and so starts a job twice; it also
keeps the name of a deployment for all later calls of the process.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.errors import refused, translated
from tridock.deploy.target.hosts import trusted
from tridock.inference.cloud_hosts import AZURE_SCORING

SCOPE = "https://ml.azure.com/.default"


@dataclass(frozen=True)
class Batch:
    """The batch endpoints of one workspace."""

    account: Account

    def start(self, endpoint: str, data: str, *, deployment: str = "", request: str = "") -> str:
        """Start a job and return its name.

        Parameters
        ----------
        data : str
            Address of the folder with the input: ``azureml://…/paths/…``, or a blob's.
        deployment : str
            By default the endpoint's default one.
        request : str
            Name of this wish: the same name again is the same job, if the service knows it.

        Raises
        ------
        TargetError
            What the service's refusal means.
        """
        with translated("batchEndpoints:invoke"):
            uri = str(self.account.client.batch_endpoints.get(endpoint).scoring_uri)
            url = trusted(uri, AZURE_SCORING, operation="batchEndpoints:invoke")
            token = self.account.credential.get_token(SCOPE).token
            headers = {"Authorization": f"Bearer {token}"}
            headers |= {"repeatability-request-id": request or str(uuid.uuid4())}
            headers |= {"azureml-model-deployment": deployment} if deployment else {}
            answer = self.account.http.post(url, json=_wish(data), headers=headers)
        if answer.is_error:
            raise refused(
                answer.status_code,
                answer.text,
                operation="batchEndpoints:invoke",
                headers=answer.headers,
            )
        return str(answer.json()["name"])

    def state(self, job: str) -> str:
        """Return where a job is: ``"Running"``, ``"Completed"``, ``"Failed"`` or another word."""
        response = self.account.call("GET", f"/jobs/{job}")
        return str(response["properties"]["status"])


def _wish(data: str) -> dict[str, Any]:
    folder = {"jobInputType": "UriFolder", "uri": data}
    return {"properties": {"inputData": {"UriFolder": folder}}}
