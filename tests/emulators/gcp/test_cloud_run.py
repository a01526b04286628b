"""Cloud Run: Google's own client makes services, and ordinary HTTP reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.gcp.conftest import PARENT, Api, run
from tridock.inference.bundle.bundle import Bundle

SCRIPT = Path(__file__).with_name("run_user.py")
TRANSPORTS = ("grpc", "rest")


@pytest.fixture(scope="module")
def told(variables: Mapping[str, str], api: Api, bundle: Bundle) -> Mapping[str, Any]:
    """What the script tells over each transport, both at once."""
    api.store_bundle("kit-run", bundle.path)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda transport: run(variables, SCRIPT, transport), TRANSPORTS)
        return dict(zip(TRANSPORTS, found, strict=True))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_service_lives_through_its_revisions(told: Mapping[str, Any], transport: str) -> None:
    first, second = f"iris-{transport}-1", f"iris-{transport}-2"
    assert told[transport] == {
        "ready": first,
        "traffic": [[first, 90, ""], [second, 10, "canary"]],
        "revisions": [second, first],
        "service": {"predictions": ["setosa"]},
        "tag": {"predictions": ["setosa"]},
        "without a token": 403,
        "left": [],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"traffic": [{"percent": 60}]}, "The sum of the percents must be 100"),
        (
            {
                "traffic": [
                    {
                        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
                        "revision": "ghost",
                        "percent": 100,
                    }
                ]
            },
            "Revision 'ghost' was not found",
        ),
        ({"template": {"containers": []}}, "at least one container"),
        ({"template": {"kontainers": []}}, "Unknown name \"kontainers\" at 'service.template'"),
        ({"template": {"revision": "other", "containers": [{"image": "x"}]}}, "prefixed by"),
    ],
    ids=["sum", "revision", "containers", "unknown-field", "name"],
)
def test_a_mistake_is_refused(api: Api, change: dict[str, Any], words: str) -> None:
    service = {"template": {"containers": [{"image": "us-docker.pkg.dev/kit/kit/kit:1"}]}}
    status, record = api.ask("POST", f"/v2/{PARENT}/services?serviceId=wrong", service | change)
    assert status == 400
    assert record["error"]["status"] == "INVALID_ARGUMENT"
    assert words in record["error"]["message"]


def test_a_container_that_does_not_listen_makes_no_ready_revision(api: Api) -> None:
    api.store("kit-empty", "manifest.json", b"{}")
    template = {
        "containers": [
            {
                "image": "us-docker.pkg.dev/kit/kit/kit:1",
                "volumeMounts": [{"name": "m", "mountPath": "/opt/ml/model"}],
                "startupProbe": {"httpGet": {"path": "/readyz"}},
            }
        ],
        "volumes": [{"name": "m", "gcs": {"bucket": "kit-empty"}}],
    }
    path = f"/v2/{PARENT}/services?serviceId=broken"
    operation = api.call("POST", path, {"template": template})
    while not operation.get("done"):
        operation = api.call("GET", f"/v2/{operation['name']}")
    assert "failed to start and listen on the port" in operation["error"]["message"]
    service = api.call("GET", f"/v2/{PARENT}/services/broken")
    assert service["terminalCondition"]["state"] == "CONDITION_FAILED"
    assert "latestReadyRevision" not in service
    api.call("DELETE", f"/v2/{PARENT}/services/broken")
