"""Azure's REST API in few words, for tests that need no SDK."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tridock.emulators.azure.core.entra import CLIENT, TENANT

SUBSCRIPTION = "44444444-4444-4444-4444-444444444444"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)
VERSION = {"api-version": "2024-10-01"}


@dataclass(frozen=True)
class Rest:
    """A client that knows only what the emulator's environment tells it."""

    client: httpx.Client
    local: str
    secret: str
    control: str

    @classmethod
    def open(cls, environment: Mapping[str, str]) -> Rest:
        trust = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
        client = httpx.Client(
            proxy=httpx.Proxy(environment["HTTPS_PROXY"]),
            verify=trust,
            timeout=600,
            trust_env=False,
        )
        rest = cls(
            client,
            environment["TRIDOCK_AZURE_LOCAL"],
            environment["AZURE_CLIENT_SECRET"],
            environment["TRIDOCK_AZURE_TOKEN"],
        )
        client.headers["Authorization"] = f"Bearer {rest.token('https://management.azure.com')}"
        return rest

    def token(self, audience: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": self.secret,
            "scope": f"{audience}/.default",
        }
        url = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
        return str(self.client.post(url, data=form).json()["access_token"])

    def arm(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        url = f"https://management.azure.com{path}"
        return self.client.request(method, url, params={**VERSION, **query}, json=body)

    def done(self, answer: httpx.Response) -> dict[str, Any]:
        """Poll the operation that an answer began, to its end."""
        assert answer.status_code in (200, 201, 202), answer.text
        while True:
            found = self.client.get(answer.headers["Azure-AsyncOperation"]).json()
            if found["status"] != "InProgress":
                return dict(found)
            time.sleep(0.02)

    def upload(self, files: Mapping[str, bytes]) -> str:
        """Write blobs as an SDK does and return the folder's address."""
        path = f"{WORKSPACE}/codes/c/versions/1/startPendingUpload"
        found = self.arm("POST", path, {"pendingUploadType": "TemporaryBlobReference"}).json()
        reference = found["blobReferenceForConsumption"]
        address, _, signature = reference["credential"]["sasUri"].partition("?")
        for name, data in files.items():
            headers = {"x-ms-blob-type": "BlockBlob"}
            answer = httpx_put(self.client, f"{address}/src/{name}?{signature}", data, headers)
            assert answer.status_code == 201, answer.text
        return f"{address}/src"

    def endpoint(self, name: str, mode: str = "Key", **properties: Any) -> dict[str, Any]:
        body = {"location": "eastus", "properties": {"authMode": mode, **properties}}
        return self.done(self.arm("PUT", f"{WORKSPACE}/onlineEndpoints/{name}", body))

    def script(self, source: str, name: str = "code") -> str:
        """Register a scoring script and return its identifier."""
        place = self.upload({"score.py": source.encode()})
        path = f"{WORKSPACE}/codes/{name}/versions/1"
        assert self.arm("PUT", path, {"properties": {"codeUri": place}}).status_code == 201
        return path

    def environment(self, name: str = "env") -> str:
        path = f"{WORKSPACE}/environments/{name}/versions/1"
        assert self.arm("PUT", path, {"properties": {"image": "any:1"}}).status_code == 201
        return path

    def deployment(self, code: str, **properties: Any) -> dict[str, Any]:
        """Return the body of a small deployment."""
        given = {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS3_v2",
            "environmentId": self.environment(),
            "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
            **properties,
        }
        sku = {"name": "Default", "capacity": 1}
        return {"location": "eastus", "sku": sku, "properties": given}

    def deploy(self, endpoint: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        path = f"{WORKSPACE}/onlineEndpoints/{endpoint}/deployments/{name}"
        return self.done(self.arm("PUT", path, body))

    def key(self, endpoint: str) -> str:
        path = f"{WORKSPACE}/onlineEndpoints/{endpoint}/listKeys"
        return str(self.arm("POST", path).json()["primaryKey"])

    def score(self, endpoint: str, data: Any, **headers: str) -> httpx.Response:
        url = f"https://{endpoint}.eastus.inference.ml.azure.com/score"
        sent = {"Authorization": f"Bearer {self.key(endpoint)}", **headers}
        sent = {name.replace("_", "-"): value for name, value in sent.items()}
        return self.client.post(url, content=json.dumps(data), headers=sent)


def httpx_put(
    client: httpx.Client, url: str, data: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    """Put without the client's own token: a signature is the right to write."""
    request = client.build_request("PUT", url, content=data, headers=dict(headers))
    del request.headers["Authorization"]
    return client.send(request)
