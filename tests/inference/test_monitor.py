"""What the server tells of itself: metrics, and a line for each request."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.inference.asking import IRIS_ROW, Asked
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


def value(asked: Asked, metric: str, /, **labels: str) -> float | None:
    families = text_string_to_metric_families(asked.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    wanted = (each for each in samples if (each.name, each.labels) == (metric, labels))
    return next((each.value for each in wanted), None)


def last_line(asked: Asked) -> dict[str, object]:
    line: dict[str, object] = json.loads(asked.log.getvalue().splitlines()[-1])
    return line


def test_requests_are_counted_by_route_and_status(iris: Asked) -> None:
    iris.post("/predict", {"features": IRIS_ROW})
    iris.post("/predict", {"features": IRIS_ROW})
    iris.post("/predict", {"features": []})
    assert value(iris, "tridock_requests_total", route="/predict", status="200") == 2
    assert value(iris, "tridock_requests_total", route="/predict", status="400") == 1
    assert value(iris, "tridock_request_seconds_count", route="/predict") == 3


def test_errors_are_counted_by_kind(iris: Asked) -> None:
    iris.post("/predict", b"x", content_type="image/png")
    iris.get("/nothing")
    assert value(iris, "tridock_errors_total", kind="unsupported_media_type") == 1
    assert value(iris, "tridock_errors_total", kind="not_found") == 1


def test_rows_and_batches_are_counted(iris: Asked) -> None:
    iris.post("/predict", {"instances": [IRIS_ROW] * 7})
    iris.post("/predict", {"instances": [IRIS_ROW]})
    assert value(iris, "tridock_rows_total") == 8
    assert value(iris, "tridock_batch_rows_bucket", le="5.0") == 1
    assert value(iris, "tridock_batch_rows_bucket", le="10.0") == 2


def test_the_scrape_itself_is_in_flight_and_the_model_is_named(
    iris: Asked, iris_bundle: Bundle
) -> None:
    assert value(iris, "tridock_requests_in_flight") == 1
    labels = {"name": "iris", "version": "1", "digest": iris_bundle.digest}
    assert value(iris, "tridock_model_info", **labels) == 1


def test_two_servers_in_one_process_do_not_count_for_each_other(
    iris: Asked, iris_bundle: Bundle
) -> None:
    iris.post("/predict", {"features": IRIS_ROW})
    other = Asked(iris_bundle)
    assert value(other, "tridock_rows_total") == 0


def test_paths_that_callers_invent_make_no_new_series(iris: Asked) -> None:
    for number in range(3):
        iris.get(f"/nothing/{number}")
        iris.get(f"/v2/models/model-{number}")
    assert value(iris, "tridock_requests_total", route="(none)", status="404") == 3
    assert value(iris, "tridock_requests_total", route="/v2/models/{model}", status="404") == 3


def test_openmetrics_is_given_to_who_asks(iris: Asked) -> None:
    response = iris.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_each_request_is_a_line_of_json(iris: Asked) -> None:
    iris.post("/invocations", {"instances": [IRIS_ROW]}, x_request_id="r-7")
    line = last_line(iris)
    assert str(line.pop("time")).endswith("+00:00")
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "method": "POST",
        "route": "/invocations",
        "status": 200,
        "rows": 1,
        "bytes_in": 33,
        "bytes_out": 26,
        "request_id": "r-7",
    }


def test_a_refused_request_is_logged_with_its_kind_and_without_its_words(iris: Asked) -> None:
    iris.post("/predict", {"features": [1, "secret", 3, 4]})
    line = last_line(iris)
    assert (line["status"], line["error"]) == (400, "invalid_input")
    assert b"secret" not in iris.log.getvalue()
