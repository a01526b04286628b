"""What a user does with registered models: versions, tags, labels, the archive and back."""

import json
import sys

from azure.ai.ml import MLClient
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential

bundle = sys.argv[1]
facts: dict[str, object] = {}
client = MLClient(
    DefaultAzureCredential(), "55555555-5555-5555-5555-555555555555", "my-group", "my-workspace"
)
models = client.models


def listed(view: ListViewType = ListViewType.ACTIVE_ONLY) -> list[object]:
    return sorted(one.version for one in models.list("wine", list_view_type=view))


first = models.create_or_update(
    Model(name="wine", path=bundle, properties={"accuracy": "0.9"}, tags={"stage": "new"})
)
place = first.path
models.create_or_update(Model(name="wine", path=place, description="the same files"))
facts["versions"] = listed()
first.tags = {"stage": "approved"}
first.description = "Ann: good"
models.create_or_update(first)
told = models.get("wine", "1")
facts["told"] = [told.tags, told.description, dict(told.properties)["accuracy"]]
told.properties = {"accuracy": "0.99"}
try:
    models.create_or_update(told)
except HttpResponseError as error:
    facts["refused"] = error.message
models.archive("wine", version="2")
facts["active"] = [listed(), models.get("wine", label="latest").version]
facts["archived"] = listed(ListViewType.ARCHIVED_ONLY)
models.restore("wine", version="2")
facts["restored"] = [listed(), models.get("wine", label="latest").version]
models.archive("wine")
facts["hidden"] = [one.name for one in models.list() if one.name == "wine"]
models.restore("wine")
facts["shown"] = [one.latest_version for one in models.list() if one.name == "wine"]
sys.stdout.write("\n" + json.dumps(facts, default=str) + "\n")
