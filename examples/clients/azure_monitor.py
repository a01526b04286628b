"""Read what was measured of an Azure ML endpoint's requests, with azure-mgmt-monitor alone.

tridock emulators run azure -- python azure_monitor.py NAME
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from azure.identity import DefaultAzureCredential
from azure.mgmt.monitor import MonitorManagementClient

subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
endpoint = (
    f"subscriptions/{subscription}/resourceGroups/{os.environ['AZURE_RESOURCE_GROUP']}/providers"
    f"/Microsoft.MachineLearningServices/workspaces/{os.environ['AZURE_WORKSPACE']}"
    f"/onlineEndpoints/{sys.argv[1]}"
)
metrics = MonitorManagementClient(DefaultAzureCredential(), subscription).metrics
now = datetime.now(UTC).replace(tzinfo=None)
span = f"{(now - timedelta(hours=1)).isoformat()}Z/{now.isoformat()}Z"

requests = metrics.list(
    endpoint,
    timespan=span,
    interval="PT1M",
    metricnames="RequestsPerMinute",
    aggregation="Average",
    filter="deployment eq '*' and statusCode eq '*' and modelStatusCode eq '*'",
    top=100,
)
for series in requests.value[0].timeseries:
    told = {one.name.value: one.value for one in series.metadatavalues}
    count = sum(point.average or 0 for point in series.data)
    status = f"{told['statuscode']}, of the model {told['modelstatuscode'] or 'none'}"
    print(f"{told['deployment']}: {count:.0f} requests answered {status}")

latency = metrics.list(
    endpoint,
    timespan=span,
    interval="PT1H",
    metricnames="RequestLatency_P95",
    aggregation="Average",
)
points = (point.average for point in latency.value[0].timeseries[0].data)
print(f"p95 of all: {max(filter(None, points), default=0):.0f} ms")
