"""The emulator as a process: control, faults, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.emulators.azure.conftest import up
from tests.emulators.azure.rest import WORKSPACE, Rest
from tridock.emulators import daemon
from tridock.emulators.azure.coverage import _operations, count
from tridock.emulators.coverage import markdown, rewritten
from tridock.emulators.errors import StartError
from tridock.emulators.place import Place

ENDPOINT = f"{WORKSPACE}/onlineEndpoints/service-ep"
FRAGILE = """
import os
def init(): pass
def run(raw): return os._exit(3) if raw == "x" else raw
"""
SCRIPT = "def init(): pass\ndef run(raw): return raw\n"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Place, Rest]]:
    """Yield an emulator of a test's own, which may end it."""
    place = Place("azure", tmp_path, speed=600.0)
    up(place)
    rest = Rest.open(daemon.environment(place))
    yield place, rest
    rest.client.close()
    daemon.down(place)


def serve(rest: Rest) -> str:
    """Bring one deployment up and return its model server's address."""
    rest.endpoint("service-ep")
    body = rest.deployment(rest.script(SCRIPT))
    assert rest.deploy("service-ep", "blue", body)["status"] == "Succeeded"
    (server,) = servers(rest)
    return server


def servers(rest: Rest) -> list[str]:
    found = local(rest, "GET", "/_emulator/servers").json()["servers"]
    return [server["url"] for server in found]


def local(rest: Rest, method: str, path: str, body: object = None) -> httpx.Response:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(verify=trust, trust_env=False, timeout=600) as client:
        headers = {"Authorization": f"Bearer {rest.control}"}
        return client.request(method, rest.local + path, json=body, headers=headers)


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def wait_gone(url: str) -> bool:
    deadline = time.monotonic() + 300
    while is_up(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_up(url)


def test_model_servers_end_with_a_killed_emulator_and_its_ports_come_back(
    own: tuple[Place, Rest],
) -> None:
    place, rest = own
    server = serve(rest)
    assert is_up(server)
    running = daemon.find(place)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    assert wait_gone(server)
    before = running.environment["HTTPS_PROXY"], running.environment["TRIDOCK_AZURE_LOCAL"]
    up(place)
    again = daemon.environment(place)
    assert (again["HTTPS_PROXY"], again["TRIDOCK_AZURE_LOCAL"]) == before


@pytest.mark.parametrize("which", ["HTTPS_PROXY", "TRIDOCK_AZURE_LOCAL", "http"])
def test_a_start_is_refused_while_another_program_has_one_of_its_ports(
    own: tuple[Place, Rest], which: str
) -> None:
    place, _ = own
    before = daemon.environment(place)
    ports = json.loads((place.folder / "ports.json").read_text())
    port = ports[0] if which == "http" else int(before[which].rpartition(":")[2])
    daemon.down(place)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StartError, match=f"another program listens on 127.0.0.1:{port}"),
    ):
        daemon.up(place)
    daemon.up(place)
    assert daemon.environment(place) == before


def test_a_model_server_that_ends_by_itself_is_started_anew(own: tuple[Place, Rest]) -> None:
    _, rest = own
    rest.endpoint("service-ep")
    body = rest.deployment(rest.script(FRAGILE))
    assert rest.deploy("service-ep", "blue", body)["status"] == "Succeeded"
    rest.endpoint("service-ep", traffic={"blue": 100})
    url = "https://service-ep.eastus.inference.ml.azure.com/score"
    headers = {"Authorization": f"Bearer {rest.key('service-ep')}"}
    broken = rest.client.post(url, content=b"x", headers=headers)
    assert (broken.status_code, broken.headers["ms-azureml-model-error-statuscode"]) == (424, "502")
    deadline = time.monotonic() + 300
    while rest.client.post(url, content=b"y", headers=headers).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_endpoint_is_deleting_until_its_name_is_free(own: tuple[Place, Rest]) -> None:
    _, rest = own
    server = serve(rest)
    body = {"location": "eastus", "properties": {"authMode": "Key"}}
    assert rest.arm("DELETE", ENDPOINT).status_code == 202
    while (answer := rest.arm("GET", ENDPOINT)).status_code == 200:
        assert answer.json()["properties"]["provisioningState"] == "Deleting"
        made = rest.arm("PUT", ENDPOINT, body)
        if made.status_code in (200, 201):  # gone since the look: the name is free
            break
        assert made.json()["error"]["code"] == "Conflict"
    assert rest.arm("GET", f"{ENDPOINT}/deployments/blue").status_code == 404
    assert not is_up(server)
    assert rest.arm("PUT", ENDPOINT, body).status_code in (200, 201)


def test_a_deployment_that_comes_up_after_its_endpoint_is_deleted_leaves_no_server(
    own: tuple[Place, Rest],
) -> None:
    _, rest = own
    rest.endpoint("service-ep")
    body = rest.deployment(rest.script("import time\ndef init(): time.sleep(2)\n" + RUN))
    begun = rest.arm("PUT", f"{ENDPOINT}/deployments/blue", body)
    while not servers_started(own[0]):
        time.sleep(0.02)
    rest.done(rest.arm("DELETE", ENDPOINT))
    rest.done(begun)
    assert servers(rest) == []
    assert rest.arm("GET", ENDPOINT).status_code == 404


RUN = "def run(raw): return raw\n"


def servers_started(place: Place) -> list[Path]:
    return list(place.servers.glob("*/server.log"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_stood_before_stands_again_and_answers(
    own: tuple[Place, Rest], number: signal.Signals
) -> None:
    place, rest = own
    serve(rest)
    rest.endpoint("service-ep", traffic={"blue": 100})
    key = rest.key("service-ep")
    assert rest.score("service-ep", {"b": 2}).status_code == 200
    time.sleep(0.5)  # A change is on disk a moment after its answer.
    assert requests(rest) == 1
    running = daemon.find(place)
    assert running
    os.kill(running.pid, number)
    while daemon.find(place):
        time.sleep(0.05)
    up(place)
    deployment = f"{ENDPOINT}/deployments/blue"
    while rest.arm("GET", deployment).json()["properties"]["provisioningState"] == "Updating":
        time.sleep(0.05)
    assert rest.key("service-ep") == key
    assert requests(rest) == 1
    assert rest.score("service-ep", {"a": 1}).json() == {"a": 1}


def requests(rest: Rest) -> float:
    """Return how many requests Azure Monitor tells of."""
    path = f"{ENDPOINT}/providers/Microsoft.Insights/metrics"
    query = {"metricnames": "RequestsPerMinute", "$filter": "deployment eq '*'"}
    (metric,) = rest.arm("GET", path, **query).json()["value"]
    return float(sum(one.get("average", 0) for one in metric["timeseries"][0]["data"]))


def test_what_an_answer_said_is_on_disk_before_it_left(own: tuple[Place, Rest]) -> None:
    place, rest = own
    folder = rest.upload({"score.py": b"1"})
    sas = {"Authorization": f"Bearer {rest.token('https://storage.azure.com')}"}
    for number in range(5):
        content = f"version {number}".encode()
        staged = {"comp": "block", "blockid": f"YmxvY2s{number}"}
        put = {"x-ms-blob-type": "BlockBlob", **sas}
        rest.client.put(f"{folder}/score.py", content=content, headers=put).raise_for_status()
        rest.client.put(f"{folder}/big", params=staged, content=content, headers=sas)
        rest.endpoint(f"kept-{number}")
        rest.client.close()
        kill(place)
        up(place)
        rest = Rest.open(daemon.environment(place))
        assert rest.client.get(f"{folder}/score.py", headers=sas).content == content
        state = rest.arm("GET", f"{WORKSPACE}/onlineEndpoints/kept-{number}").json()
        assert state["properties"]["provisioningState"] == "Succeeded"
    blocks = "".join(f"<Latest>YmxvY2s{number}</Latest>" for number in range(5))
    listed = f"<BlockList>{blocks}</BlockList>".encode()
    query = {"comp": "blocklist"}
    done = rest.client.put(f"{folder}/big", params=query, content=listed, headers=sas)
    assert done.status_code == 201
    assert rest.client.get(f"{folder}/big", headers=sas).text.startswith("version 0version 1")
    rest.client.close()


def kill(place: Place) -> None:
    running = daemon.find(place)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    while daemon.find(place):
        time.sleep(0.02)


def test_half_written_and_unreadable_files_cost_nothing_else(own: tuple[Place, Rest]) -> None:
    place, rest = own
    folder = rest.upload({"whole": b"1", "cut": b"22"})
    rest.endpoint("kept")
    daemon.down(place)
    blobs = place.folder / "blobs"
    files = {path.read_bytes(): path for path in blobs.rglob("*") if path.is_file()}
    files[b"22"].write_bytes(b"2")
    draft = files[b"1"].with_name("half-written.draft")
    draft.write_bytes(b"half")
    (place.folder / "state.draft").write_text('{"form": 1, "resou')
    up(place)
    rest = Rest.open(daemon.environment(place))
    sas = {"Authorization": f"Bearer {rest.token('https://storage.azure.com')}"}
    assert rest.client.get(f"{folder}/whole", headers=sas).content == b"1"
    assert rest.client.get(f"{folder}/cut", headers=sas).status_code == 404
    assert str(files[b"22"]) in place.log.read_text()
    assert not draft.exists()
    rest.client.close()
    daemon.down(place)
    state = place.folder / "state.json"
    state.write_bytes(state.read_bytes()[:-40])  # the version before it is read
    up(place)
    assert f"{state} was put aside" in place.log.read_text()
    rest = Rest.open(daemon.environment(place))
    assert rest.arm("GET", f"{WORKSPACE}/onlineEndpoints/kept").status_code == 200
    rest.client.close()


def test_a_reset_forgets_everything_and_ends_the_servers(own: tuple[Place, Rest]) -> None:
    _, rest = own
    server = serve(rest)
    assert local(rest, "POST", "/_emulator/reset").status_code == 204
    assert wait_gone(server)
    assert rest.arm("GET", ENDPOINT).status_code == 404
    assert rest.arm("GET", f"{WORKSPACE}/codes").json() == {"value": []}


@pytest.mark.parametrize(
    ("kind", "status"), [("throttle", 429), ("500", 500), ("503", 503), ("drop-before", 0)]
)
def test_the_nth_call_meets_the_planned_fault(rest: Rest, kind: str, status: int) -> None:
    path = f"{WORKSPACE}/onlineEndpoints"
    plan = {"faults": [{"operation": "GET onlineEndpoints", "kind": kind, "nth": 2}]}
    assert local(rest, "PUT", "/_emulator/faults", plan).status_code == 204
    assert rest.arm("GET", path).status_code == 200
    if status:
        assert rest.arm("GET", path).status_code == status
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            rest.arm("GET", path)
    assert rest.arm("GET", path).status_code == 200
    assert local(rest, "PUT", "/_emulator/faults", []).status_code == 204


def test_a_resource_group_that_is_deleted_takes_everything_in_it(rest: Rest) -> None:
    group = WORKSPACE.partition("/providers/")[0].replace("/rg", "/made")
    assert rest.arm("PUT", group, {"location": "eastus"}).status_code == 201
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/w"
    assert rest.arm("GET", workspace).status_code == 404  # Only what was made stands in it.
    assert rest.arm("PUT", workspace, {"location": "eastus"}).status_code == 201
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/v"
    assert rest.arm("PUT", vault, {"location": "eastus", "properties": {}}).status_code == 201
    names = [one["name"] for one in rest.arm("GET", f"{group}/resources").json()["value"]]
    assert sorted(names) == ["v", "w"]
    assert rest.done(rest.arm("DELETE", group))["status"] == "Succeeded"
    assert rest.arm("GET", vault).json()["error"]["code"] == "ResourceGroupNotFound"


def test_a_patch_changes_tags_and_keeps_keys_and_the_rest(rest: Rest) -> None:
    rest.endpoint("patched", description="before")
    key = rest.key("patched")
    path = f"{WORKSPACE}/onlineEndpoints/patched"
    answer = rest.arm("PATCH", path, {"tags": {"team": "a"}})
    assert rest.done(answer)["status"] == "Succeeded"
    found = rest.arm("GET", path).json()
    assert (found["tags"], found["properties"]["description"]) == ({"team": "a"}, "before")
    assert "primaryKey" not in found["properties"]
    assert rest.key("patched") == key


def test_every_operation_that_is_counted_as_emulated_is_one_of_the_clients() -> None:
    (found,) = count()
    assert found.count > 180
    assert not {*found.real, *found.stored} - set(_operations())
    assert "OnlineEndpoints.begin_create_or_update" in found.real


def test_a_managed_identity_gets_a_token(rest: Rest, environment: Mapping[str, str]) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    opens = environment["IDENTITY_HEADER"]
    url = f"{rest.local}/msi/token?api-version=2019-08-01&resource=https://management.azure.com"
    with httpx.Client(verify=trust, trust_env=False) as client:
        assert client.get(url).status_code == 401
        token = client.get(url, headers={"X-IDENTITY-HEADER": opens}).json()["access_token"]
    workspace = f"https://management.azure.com{WORKSPACE}?api-version=2024-10-01"
    headers = {"Authorization": f"Bearer {token}"}
    assert rest.client.get(workspace, headers=headers).status_code == 200


def test_the_document_lists_what_the_code_does() -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "azure.md"
    text = document.read_text()
    assert rewritten(text, "azure", markdown(count())) == text
