"""What the environment leads where: Google's hosts here, all others nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import google.auth
import pytest
import requests
from google.auth.transport.requests import Request

from tests.emulators.gcp.conftest import ROW, Api, Served


@pytest.fixture
def led(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def token() -> str:
    """Return an access token, as google-auth gets it."""
    credentials, _ = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(Request())
    return str(credentials.token)


def test_a_google_host_wants_credentials(led: None, served: Served) -> None:
    url = f"https://us-central1-aiplatform.googleapis.com/v1/{served.endpoint}"
    bare = requests.get(url, timeout=600)
    assert (bare.status_code, bare.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    foreign = requests.get(url, headers={"Authorization": "Bearer foreign"}, timeout=600)
    assert (foreign.status_code, foreign.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    headers = {"Authorization": f"Bearer {token()}"}
    assert requests.get(url, headers=headers, timeout=600).json()["name"] == served.endpoint


def test_another_host_is_refused(led: None) -> None:
    refused = r"example\.com is not one of its hosts"
    with pytest.raises(requests.exceptions.ProxyError, match=refused):
        requests.get("https://example.com/", timeout=600)


def test_a_dedicated_endpoint_answers_at_its_own_host_only(
    led: None, served: Served, api: Api
) -> None:
    endpoint = api.endpoint("dedicated", dedicatedEndpointEnabled=True)
    api.deploy(endpoint, served.model, {"0": 100})
    found = api.call("GET", f"/v1/{endpoint}")
    headers = {"Authorization": f"Bearer {token()}"}
    url = f"https://{found['dedicatedEndpointDns']}/v1/{endpoint}:predict"
    answer = requests.post(url, json={"instances": [ROW]}, headers=headers, timeout=600)
    assert answer.json()["predictions"] == ["setosa"]
    status, record = api.ask("POST", f"/v1/{endpoint}:predict", {"instances": [ROW]})
    assert (status, record["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert found["dedicatedEndpointDns"] in record["error"]["message"]
    key = found["deployedModels"][0]["id"]
    api.done(api.call("POST", f"/v1/{endpoint}:undeployModel", {"deployedModelId": key}))
    api.call("DELETE", f"/v1/{endpoint}")


def test_credentials_are_for_their_owner_alone(variables: Mapping[str, str]) -> None:
    key = Path(variables["GOOGLE_APPLICATION_CREDENTIALS"])
    assert key.stat().st_mode & 0o077 == 0
