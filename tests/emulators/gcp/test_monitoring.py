"""Cloud Monitoring: what was answered is counted, by minute, and read back as time series."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.emulators.gcp.conftest import ROW, Api, OpenDatabase, Served
from tridock.emulators.clock import Clock
from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.core.meter import Meter, of_revision
from tridock.emulators.gcp.monitoring.alignment import Aggregation, Point, Series, aligned, reduced
from tridock.emulators.gcp.monitoring.monitoring import read
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

ONLINE = "aiplatform.googleapis.com/prediction/online"
#: Minutes of the emulator last a tenth of a second here, and are shown two of them later.
MINUTE, SHOWN = 0.1, 0.5
GOOD, REFUSED = 7, 2


@pytest.fixture(scope="module")
def since(api: Api, served: Served) -> str:
    """When requests of known answers began; they are shown by now."""
    time.sleep(MINUTE)  # what others asked for is in a minute before
    began = stamp(datetime.now(UTC))
    for _ in range(GOOD):
        api.call("POST", f"/v1/{served.endpoint}:predict", {"instances": [ROW, ROW]})
    for _ in range(REFUSED):
        status, _ = api.ask("POST", f"/v1/{served.endpoint}:rawPredict", {"instances": [[1]]})
        assert status == 400
    time.sleep(SHOWN)
    return began


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def asked(metric: str, since: str, **more: Any) -> str:
    parameters = {
        "filter": f'metric.type = "{metric}" AND resource.labels.endpoint_id = "shared"',
        "interval.startTime": since,
        "interval.endTime": stamp(datetime.now(UTC)),
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return f"/v3/projects/kit/timeSeries?{urlencode(parameters, doseq=True)}"


def summed(series: dict[str, Any]) -> int:
    return sum(int(point["value"]["int64Value"]) for point in series["points"])


def counts(api: Api, path: str, label: str = "") -> Counter[str]:
    found: Counter[str] = Counter()
    for series in api.call("GET", path)["timeSeries"]:
        found[series["metric"]["labels"].get(label, "")] += summed(series)
    return found


def test_answers_are_counted_by_their_codes_predictions_and_errors(api: Api, since: str) -> None:
    found = counts(api, asked(f"{ONLINE}/response_count", since), "response_code")
    assert found == {"2xx": GOOD, "4xx": REFUSED}
    assert counts(api, asked(f"{ONLINE}/prediction_count", since)) == {"": GOOD * 2}
    assert counts(api, asked(f"{ONLINE}/error_count", since)) == {"": REFUSED}


def test_a_series_tells_whose_it_is_and_its_points_are_newest_first(
    api: Api, served: Served, since: str
) -> None:
    filters = f'metric.type="{ONLINE}/response_count" metric.label.response_code="2xx"'
    answer = api.call("GET", asked(f"{ONLINE}/response_count", since, filter=filters))
    assert answer["unit"] == "1"
    (series,) = (
        each
        for each in answer["timeSeries"]
        if each["resource"]["labels"]["endpoint_id"] == "shared"
    )
    assert series["resource"]["type"] == "aiplatform.googleapis.com/Endpoint"
    assert series["resource"]["labels"]["location"] == "us-central1"
    labels = series["metric"]["labels"]
    assert (labels["deployed_model_id"], labels["spot"]) == (served.deployed, "False")
    assert (series["metricKind"], series["valueType"]) == ("DELTA", "INT64")
    times = [
        tuple(datetime.fromisoformat(point["interval"][name]) for name in ("startTime", "endTime"))
        for point in series["points"]
    ]
    assert times == sorted(times, reverse=True)
    assert all(start < end for start, end in times)


def test_series_are_aligned_and_reduced(api: Api, since: str) -> None:
    more = {
        "aggregation__alignmentPeriod": "3600s",
        "aggregation__perSeriesAligner": "ALIGN_DELTA",
        "aggregation__crossSeriesReducer": "REDUCE_SUM",
    }
    path = asked(f"{ONLINE}/response_count", since, **more)
    (series,) = api.call("GET", path)["timeSeries"]
    assert summed(series) == GOOD + REFUSED
    assert len(series["points"]) == 1
    fields = ["metric.labels.response_code", "resource.labels.endpoint_id"]
    path = asked(f"{ONLINE}/response_count", since, aggregation__groupByFields=fields, **more)
    answer = api.call("GET", path)["timeSeries"]
    assert [each["metric"]["labels"] for each in answer] == [
        {"response_code": "2xx"},
        {"response_code": "4xx"},
    ]
    assert [each["resource"]["labels"] for each in answer] == [{"endpoint_id": "shared"}] * 2


def test_latencies_are_distributions_with_percentiles(api: Api, since: str) -> None:
    metric = f"{ONLINE}/prediction_latencies"
    found = api.call("GET", asked(metric, since))
    assert found["unit"] == "ms"
    kinds = {each["metric"]["labels"]["latency_type"]: each for each in found["timeSeries"]}
    assert set(kinds) == {"total", "model", "overhead"}
    values = [point["value"]["distributionValue"] for point in kinds["total"]["points"]]
    assert sum(int(value["count"]) for value in values) == GOOD + REFUSED
    assert all(sum(map(int, one["bucketCounts"])) == int(one["count"]) for one in values)
    more = {
        "filter": f'metric.type="{metric}" metric.labels.latency_type="total"'
        ' resource.labels.endpoint_id="shared"',
        "aggregation__alignmentPeriod": "3600s",
        "aggregation__perSeriesAligner": "ALIGN_PERCENTILE_95",
    }
    (series,) = api.call("GET", asked(metric, since, **more))["timeSeries"]
    assert (series["metricKind"], series["valueType"]) == ("GAUGE", "DOUBLE")
    assert 0 < series["points"][0]["value"]["doubleValue"] < 60_000


def test_pages_hold_so_many_points(api: Api, since: str) -> None:
    path = asked(f"{ONLINE}/prediction_latencies", since, pageSize=1)
    pages, token = [], ""
    while token is not None:
        page = api.call("GET", f"{path}&pageToken={token}")
        pages.append(page["timeSeries"])
        token = page.get("nextPageToken")
    assert all(len(page) == len(page[0]["points"]) == 1 for page in pages)
    whole = api.call("GET", asked(f"{ONLINE}/prediction_latencies", since))["timeSeries"]
    assert len(pages) == sum(len(series["points"]) for series in whole)
    headers = api.call("GET", asked(f"{ONLINE}/prediction_latencies", since, view="HEADERS"))
    assert [series.get("points") for series in headers["timeSeries"]] == [None] * 3


COUNT = f'metric.type="{ONLINE}/response_count"'
PERIOD = {"aggregation.alignmentPeriod": "60s"}
WRONG: list[tuple[dict[str, str], int, str]] = [
    ({"filter": 'metric.type="a.b/c"'}, 404, 'Cannot find metric(s) that match type = "a.b/c"'),
    ({"filter": 'resource.type="x"'}, 400, 'must specify a restriction on "metric.type"'),
    ({"filter": f"{COUNT} AND ("}, 400, "Field filter had an invalid value"),
    ({"filter": f'{COUNT} color="red"'}, 400, "'color' is not a selector"),
    ({"filter": f'{COUNT} metric.labels.x="1"'}, 400, "valid combination of metric and monitored"),
    ({"filter": f'{COUNT} resource.type="gce_instance"'}, 400, "valid combination of metric"),
    ({"interval.endTime": ""}, 400, "interval.end"),
    ({"interval.startTime": "2999-01-01T00:00:00Z"}, 400, "must not be later than the end"),
    (
        {**PERIOD, "aggregation.perSeriesAligner": "ALIGN_MEAN"},
        400,
        'Field aggregation.perSeriesAligner had an invalid value of "ALIGN_MEAN": The aligner '
        "cannot be applied to metrics with kind DELTA and value type INT64.",
    ),
    ({"aggregation.perSeriesAligner": "ALIGN_SUM"}, 400, "must be at least 60 seconds"),
    ({"aggregation.crossSeriesReducer": "REDUCE_SUM"}, 400, "An aligner must be specified"),
    ({"aggregation.perSeriesAligner": "SUM"}, 400, "Invalid value at 'aggregation."),
    ({"colour": "red"}, 400, 'Unknown name "colour"'),
    ({"pageToken": "x"}, 400, "Field pageToken"),
]


@pytest.mark.parametrize(("changed", "status", "words"), WRONG)
def test_what_cannot_be_read_is_refused(
    api: Api, changed: dict[str, str], status: int, words: str
) -> None:
    now = stamp(datetime.now(UTC))
    parameters = {"filter": COUNT, "interval.startTime": now, "interval.endTime": now, **changed}
    found, record = api.ask("GET", f"/v3/projects/kit/timeSeries?{urlencode(parameters)}")
    assert found == status
    assert words in record["error"]["message"]


def test_an_interval_needs_its_end_and_other_methods_are_named(api: Api) -> None:
    query = urlencode({"filter": COUNT})
    status, record = api.ask("GET", f"/v3/projects/kit/timeSeries?{query}")
    assert (status, record["error"]["message"]) == (
        400,
        "Request was missing field interval.endTime.",
    )
    status, record = api.ask("POST", "/v3/projects/kit/timeSeries", {"timeSeries": []})
    assert status == 501
    assert "MetricService.CreateTimeSeries is not emulated" in record["error"]["message"]
    status, record = api.ask("GET", "/v3/projects/kit/alertPolicies")
    assert status == 501
    assert "monitoring.projects.alertPolicies.list" in record["error"]["message"]


def test_nobody_sees_another_projects_series(api: Api, since: str) -> None:
    path = asked(f"{ONLINE}/response_count", since).replace("/projects/kit/", "/projects/other/")
    assert "timeSeries" not in api.call("GET", path)


def test_the_metrics_are_described(api: Api) -> None:
    path = "/v3/projects/kit/metricDescriptors"
    query = urlencode({"filter": 'metric.type = starts_with("run.googleapis.com/")'})
    found = api.call("GET", f"{path}?{query}")["metricDescriptors"]
    assert [each["type"] for each in found] == [
        "run.googleapis.com/request_count",
        "run.googleapis.com/request_latencies",
    ]
    assert len(api.call("GET", path)["metricDescriptors"]) == 6
    one = api.call("GET", f"{path}/{ONLINE}/prediction_latencies")
    kind = one["metricKind"], one["valueType"], one["unit"]
    assert kind == ("DELTA", "DISTRIBUTION", "ms")
    assert "latency_type" in [label["key"] for label in one["labels"]]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('metric.type = "a"', True),
        ('metric.type="a" AND metric.label.code=starts_with("5")', True),
        ('metric.labels.code = "404" OR metric.labels.code = "503"', True),
        ('NOT metric.labels.code = "503"', False),
        ('(metric.labels.code="1" OR resource.type="r") metric.type="a"', True),
        ('metric.labels.code = one_of("500", "503")', True),
        ('metric.labels.code != one_of("500", "503")', False),
        ('metric.labels.code = monitoring.regex.full_match("4..")', False),
        ('metric.labels.code : "0" AND metric.type = ends_with("a")', True),
    ],
)
def test_filters_are_read(text: str, fits: bool) -> None:
    record = {"metric": {"type": "a", "labels": {"code": "503"}}, "resource": {"type": "r"}}
    assert read(text).test(record) is fits


def test_one_of_two_types_is_no_single_metric() -> None:
    assert read('metric.type="a" OR metric.type="b"').equals == {}
    assert read('metric.type="a" AND resource.type="r"').equals["metric.type"] == "a"


def minutes(*values: int) -> Iterator[Point]:
    for n, value in enumerate(values):
        yield Point(60.0 * n, 60.0 * (n + 1), value)


def test_periods_are_counted_back_from_the_end() -> None:
    series = Series({}, {}, tuple(minutes(1, 2, 4, 8))[::-1])
    found = aligned(series, Aggregation(120.0, "ALIGN_SUM"), 240.0)
    assert found.points == (Point(120.0, 240.0, 12), Point(0.0, 120.0, 3))
    rate = aligned(series, Aggregation(120.0, "ALIGN_RATE"), 240.0)
    assert [point.value for point in rate.points] == [0.1, 0.025]
    assert (rate.kind, rate.value_type) == ("GAUGE", "DOUBLE")


def test_a_distribution_has_no_rate_and_a_number_no_percentile() -> None:
    latencies = Series({}, {}, (Point(0.0, 60.0, Histogram.of(5.0)),), value_type="DISTRIBUTION")
    with pytest.raises(InvalidArgumentError, match="value type DISTRIBUTION"):
        aligned(latencies, Aggregation(60.0, "ALIGN_RATE"), 60.0)
    numbers = Series({}, {}, tuple(minutes(1)))
    with pytest.raises(InvalidArgumentError, match="value type INT64"):
        aligned(numbers, Aggregation(60.0, "ALIGN_PERCENTILE_95"), 60.0)
    asked = Aggregation(60.0, "ALIGN_DELTA", "REDUCE_PERCENTILE_95")
    (found,) = reduced([latencies, latencies], asked)
    assert found.value_type == "DOUBLE"


def test_a_percentile_is_in_the_bucket_of_its_value() -> None:
    found = Histogram()
    for value in [10.0] * 90 + [500.0] * 10:
        found += Histogram.of(value)
    assert found.percentile(0.5) == pytest.approx(10.0, rel=0.4)
    assert found.percentile(0.95) == pytest.approx(500.0, rel=0.4)
    assert float(found.record()["mean"]) == pytest.approx(59.0)
    assert float(found.record()["sumOfSquaredDeviation"]) == pytest.approx(90 * 49**2 + 10 * 441**2)


def test_minutes_follow_the_clock_and_are_shown_late(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    now = moment.timestamp()
    meter = Meter(Clock(speed=60), database_at(tmp_path / "state.sqlite"), lambda: now)
    origin = of_revision("projects/kit/locations/us/services/iris", "iris-v1")
    meter.add(origin, 200, {"total": 5.0}, 1)
    assert meter.minutes(origin.resource, 180.0) == []
    now = (moment + timedelta(seconds=3.9)).timestamp()
    assert meter.minutes(origin.resource, 180.0) == []
    now = (moment + timedelta(seconds=4)).timestamp()
    (minute,) = meter.minutes(origin.resource, 180.0)
    assert (minute.start, minute.end) == (moment.timestamp(), moment.timestamp() + 1)


def test_minutes_outlive_the_emulator(tmp_path: Path, database_at: OpenDatabase) -> None:
    database = database_at(tmp_path / "state.sqlite")
    origin = of_revision("projects/kit/locations/us/services/iris", "iris-v1")
    meter = Meter(Clock(speed=60), database, lambda: 1000.0)
    for latency in (5.0, 500.0):
        meter.add(origin, 200, {"total": latency}, 1)
        meter.flush()
    again = Meter(Clock(speed=60), database, lambda: 2000.0)
    before = Meter.minutes(meter, origin.resource, -3600.0)
    assert again.minutes(origin.resource, 180.0) == before
    assert before[0].tally.latencies["total"].count == 2
    assert Meter(Clock(speed=600), database).minutes(origin.resource, 180.0) == []
