"""What the address of an online endpoint answers, status by status."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.emulators.azure.rest import WORKSPACE, Rest

SCORE = """
import json, os, time
def init():
    print("hello from init")
def run(raw):
    wish = json.loads(raw)
    time.sleep(wish.get("sleep", 0))
    if wish.get("fail"):
        raise ValueError("no")
    return {"color": os.environ["COLOR"], "got": wish}
"""
ENDPOINT = "scoring-ep"


@pytest.fixture(scope="module")
def served(rest: Rest) -> Rest:
    """Return the client with blue (all traffic) and green (a copy of everything) standing."""
    rest.endpoint(ENDPOINT)
    code = rest.script(SCORE, "scoring-code")
    for color in ("blue", "green"):
        settings = {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
        collections = {
            name: {"dataCollectionMode": "Enabled", "samplingRate": 1.0}
            for name in ("request", "response")
        }
        body = rest.deployment(
            code,
            environmentVariables={"COLOR": color},
            requestSettings=settings,
            dataCollector={"collections": collections},
        )
        assert rest.deploy(ENDPOINT, color, body)["status"] == "Succeeded"
    share(rest, {"blue": 100})
    return rest


def share(rest: Rest, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
    found = rest.endpoint(ENDPOINT, traffic=traffic, mirrorTraffic=mirror or {})
    assert found["status"] == "Succeeded"


def test_a_good_request_is_answered_by_the_deployment_with_traffic(served: Rest) -> None:
    answer = served.score(ENDPOINT, {"a": 1})
    assert answer.status_code == 200
    assert answer.json() == {"color": "blue", "got": {"a": 1}}
    assert answer.headers["azureml-model-deployment"] == "blue"


def test_a_header_picks_the_deployment(served: Rest) -> None:
    answer = served.score(ENDPOINT, {}, azureml_model_deployment="green")
    assert answer.json()["color"] == "green"


def test_the_clients_request_id_comes_back_cut_at_40_and_the_services_is_new(served: Rest) -> None:
    answer = served.score(ENDPOINT, {}, x_ms_client_request_id="c" * 60, x_request_id="mine")
    assert answer.headers["x-ms-client-request-id"] == "c" * 40
    assert answer.headers["x-request-id"] != "mine"


def test_a_wrong_key_is_401(served: Rest) -> None:
    answer = served.score(ENDPOINT, {}, Authorization="Bearer wrong")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "key_auth_access_denied"


def test_a_deployment_that_is_not_there_is_404(served: Rest) -> None:
    answer = served.score(ENDPOINT, {}, azureml_model_deployment="red")
    assert answer.status_code == 404
    assert "red" in answer.json()["error"]["message"]


def test_a_slow_answer_is_408(served: Rest) -> None:
    assert served.score(ENDPOINT, {"sleep": 8}).status_code == 408
    deadline = time.monotonic() + 300
    while served.score(ENDPOINT, {}).status_code != 200:  # The model is still busy with it.
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_failing_model_is_424_with_its_own_status_beside(served: Rest) -> None:
    answer = served.score(ENDPOINT, {"fail": True})
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["ms-azureml-model-error-reason"] == "Internal Server Error"


def test_more_than_twice_the_concurrent_requests_are_429(served: Rest) -> None:
    key = served.key(ENDPOINT)
    headers = {"Authorization": f"Bearer {key}"}
    url = f"https://{ENDPOINT}.eastus.inference.ml.azure.com/score"
    body = json.dumps({"sleep": 0.5})

    def burst() -> list[int]:
        with ThreadPoolExecutor(6) as pool:
            sent = pool.map(
                lambda _: served.client.post(url, content=body, headers=headers), range(6)
            )
            return sorted(answer.status_code for answer in sent)

    # On a busy machine they may not meet at once: then they are sent again.
    assert [200, 200, 429, 429, 429, 429] in (burst() for _ in range(60))


def test_an_endpoint_without_traffic_is_404(served: Rest) -> None:
    share(served, {})
    try:
        answer = served.score(ENDPOINT, {})
        assert answer.status_code == 404
        assert "traffic" in answer.json()["error"]["message"]
    finally:
        share(served, {"blue": 100})


def test_mirrored_requests_reach_the_other_deployment_and_are_not_answered_by_it(
    served: Rest,
) -> None:
    share(served, {"blue": 100}, {"green": 50})
    try:
        before = log(served, "green").count('"route":"/score"')
        colors = {served.score(ENDPOINT, {"n": n}).json()["color"] for n in range(50)}
        assert colors == {"blue"}
        deadline = time.monotonic() + 300
        while log(served, "green").count('"route":"/score"') == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        share(served, {"blue": 100})


def test_collected_data_lies_in_blob_storage_as_json_lines(served: Rest) -> None:
    answer = served.score(ENDPOINT, {"collected": 1})
    lines = collected(served, "request")
    assert {"collected": 1} in [line["data"] for line in lines]
    assert {line["specversion"] for line in lines} == {"1.0"}
    named = {line["xrequestid"]: line["data"] for line in collected(served, "response")}
    assert named[answer.headers["x-request-id"]] == answer.json()


def test_an_entra_endpoint_takes_tokens_for_machine_learning_only(rest: Rest) -> None:
    rest.endpoint("entra-ep", "AADToken")
    url = "https://entra-ep.eastus.inference.ml.azure.com/score"

    def status(audience: str) -> int:
        headers = {"Authorization": f"Bearer {rest.token(audience)}"}
        return rest.client.post(url, content=b"{}", headers=headers).status_code

    assert status("https://management.azure.com") == 401
    assert status("https://ml.azure.com") == 404  # Let in, and nothing has traffic.


def test_a_token_endpoint_takes_its_own_tokens_only(rest: Rest) -> None:
    for name in ("token-a", "token-b"):
        rest.endpoint(name, "AMLToken")
    token = rest.arm("POST", f"{WORKSPACE}/onlineEndpoints/token-a/token").json()["accessToken"]

    def status(name: str) -> int:
        url = f"https://{name}.eastus.inference.ml.azure.com/score"
        headers = {"Authorization": f"Bearer {token}"}
        return rest.client.post(url, content=b"{}", headers=headers).status_code

    assert (status("token-a"), status("token-b")) == (404, 401)


def test_requests_during_an_update_are_all_answered(served: Rest) -> None:
    code = served.script(SCORE, "scoring-code-2")
    changed = served.deployment(
        code,
        environmentVariables={"COLOR": "blue2"},
        requestSettings={"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 4},
    )
    path = f"{WORKSPACE}/onlineEndpoints/{ENDPOINT}/deployments/blue"
    begun = served.arm("PUT", path, changed)
    colors = set()
    while served.client.get(begun.headers["Azure-AsyncOperation"]).json()["status"] == "InProgress":
        answer = served.score(ENDPOINT, {})
        assert answer.status_code == 200, answer.text
        colors.add(answer.json()["color"])
    assert served.score(ENDPOINT, {}).json()["color"] == "blue2"
    assert "blue" in colors


def log(rest: Rest, deployment: str) -> str:
    path = f"{WORKSPACE}/onlineEndpoints/{ENDPOINT}/deployments/{deployment}/getLogs"
    return str(rest.arm("POST", path, {"tail": 1000}).json()["content"])


def collected(rest: Rest, side: str) -> list[dict[str, Any]]:
    store = f"{WORKSPACE}/datastores/workspaceblobstore"
    token = rest.arm("POST", f"{store}/listSecrets", {"expirableSecret": True}).json()["sasToken"]
    about = rest.arm("GET", store).json()["properties"]
    root = f"https://{about['accountName']}.blob.core.windows.net/{about['containerName']}"
    prefix = f"modelDataCollector/{ENDPOINT}/blue/{side}/"
    listed = blob(rest, f"{root}?restype=container&comp=list&prefix={prefix}&{token}")
    names = [part.partition("</Name>")[0] for part in listed.split("<Name>")[1:]]
    texts = [blob(rest, f"{root}/{name}?{token}") for name in names]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def blob(rest: Rest, url: str) -> str:
    request = rest.client.build_request("GET", url)
    del request.headers["Authorization"]
    answer = rest.client.send(request)
    assert answer.status_code == 200, answer.text
    return answer.text
