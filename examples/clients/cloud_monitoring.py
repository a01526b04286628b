"""google-cloud-monitoring: how a Vertex AI endpoint's requests were answered in the last hour."""

import sys
import time
from collections import Counter

from google.cloud import monitoring_v3

HOUR = 3600
METRIC = "aiplatform.googleapis.com/prediction/online"

client = monitoring_v3.MetricServiceClient()
now = int(time.time()) + 1
request = {
    "name": "projects/tridock-local",
    "interval": {"start_time": {"seconds": now - HOUR}, "end_time": {"seconds": now}},
}
whose = f'resource.labels.endpoint_id = "{sys.argv[1]}"'

wanted = f'metric.type = "{METRIC}/response_count" AND {whose}'
codes: Counter[str] = Counter()
for series in client.list_time_series({**request, "filter": wanted}):
    codes[series.metric.labels["response_code"]] += sum(p.value.int64_value for p in series.points)

wanted = f'metric.type = "{METRIC}/prediction_latencies" AND {whose}'
aggregation = {
    "alignment_period": {"seconds": HOUR},
    "per_series_aligner": "ALIGN_DELTA",
    "cross_series_reducer": "REDUCE_PERCENTILE_95",
    "group_by_fields": ["metric.labels.latency_type"],
}
found = client.list_time_series({**request, "filter": wanted, "aggregation": aggregation})
p95 = {one.metric.labels["latency_type"]: one.points[0].value.double_value for one in found}
print(f"answers by code: {dict(codes)}, p95 of all: {p95['total']:.0f} ms")
