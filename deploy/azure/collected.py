"""Answers that Azure ML's data collector keeps as JSON lines in the workspace's storage.

Source: "Collect production data from models deployed for real-time inferencing", payload logging.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.ai.ml.entities import DataCollector, DeploymentCollection

from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.target.metrics import Answer, predictions

#: The collection that the service fills with answers; requests, which we do not need, stay out.
COLLECTION = "response"
FOLDER = "modelDataCollector"


def percent_of(setting: str) -> int:
    """Return the percent of answers to keep.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if not setting.isdecimal() or int(setting) > 100:
        raise ConfigError(f"azure.collect is {setting!r}: give a whole percent from 0 to 100")
    return int(setting)


def collector(percent: int) -> DataCollector | None:
    """Return the settings of a deployment that keeps `percent` of its answers."""
    if not percent:
        return None
    kept = {COLLECTION: DeploymentCollection(enabled="true")}
    return DataCollector(collections=kept, rolling_rate="hour", sampling_rate=percent / 100)


@dataclass(frozen=True)
class Collected:
    """Requests and answers that one workspace has collected.

    Attributes
    ----------
    bundles : Bundles
        Way to its storage.
    """

    bundles: Bundles

    def answers(self, endpoint: str, deployment: str, since: datetime) -> list[Answer]:
        """Return the answers since a moment, oldest first, those that bear predictions.

        Their times are whole seconds. Neither statuses nor milliseconds are kept.
        """
        folder = f"{FOLDER}/{endpoint}/{deployment}/{COLLECTION}/"
        with self.bundles.container("blobs:list") as container:
            names = [blob.name for blob in container.list_blobs(name_starts_with=folder)]
            due = sorted(name for name in names if _hour(name, folder) >= _begun(since))
            lines = [line for name in due for line in _lines(container, name)]
        dated = [(datetime.fromisoformat(line["time"]), line) for line in lines]
        values = sorted((one for one in dated if one[0] >= since), key=lambda one: one[0])
        return [answer for answer in (_answer(line) for _, line in values) if answer.predictions]

    def release(self, endpoint: str, used: Collection[str]) -> None:
        """Remove what azure-ai-ml registers for each deployment that collects, and is not `used`.

        What was collected stays: it is the user's.
        """
        account = self.bundles.account
        for name in self._assets(endpoint):
            deployment = name.removeprefix(f"{endpoint}-").removesuffix(f"-{COLLECTION}")
            if deployment not in used:
                with suppress(NotFoundError):
                    account.call("DELETE", f"/data/{name}/versions/1")

    def _assets(self, endpoint: str) -> Iterator[str]:
        """Name the data assets of an endpoint's deployments; other names may begin the same."""
        for name in self._names():
            if name.startswith(f"{endpoint}-") and name.endswith(f"-{COLLECTION}"):
                with suppress(NotFoundError):
                    asset = self.bundles.account.call("GET", f"/data/{name}/versions/1")
                    place = asset["properties"]["dataUri"].rstrip("/").split(f"/{FOLDER}/")[-1]
                    parts = place.split("/")
                    if parts[0] == endpoint and "-".join(parts) == name:
                        yield name

    def _names(self) -> Iterator[str]:
        account = self.bundles.account
        page = account.call("GET", "/data")
        while True:
            yield from (one["name"] for one in page["value"])
            if not page.get("nextLink"):
                return
            page = account.follow(page["nextLink"])


def _lines(container: Any, name: str) -> Iterator[dict[str, Any]]:
    for line in container.download_blob(name).readall().splitlines():
        with suppress(ValueError):  # one that is being written
            values = json.loads(line)
            if "time" in values and "xrequestid" in values:
                yield values


def _answer(values: dict[str, Any]) -> Answer:
    said = predictions(json.dumps(values.get("data")).encode())
    return Answer(str(values["xrequestid"]), said, None)


def _hour(name: str, folder: str) -> datetime:
    parts = name.removeprefix(folder).split("/")[:4]
    if len(parts) < 4 or not all(map(str.isdecimal, parts)):
        return datetime.max.replace(tzinfo=UTC)  # its lines tell
    year, month, day, hour = map(int, parts)
    return datetime(year, month, day, hour, tzinfo=UTC)


def _begun(since: datetime) -> datetime:
    """Return the beginning of the hour; one more, for lines that came late."""
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour - timedelta(hours=1)
