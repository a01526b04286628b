"""The registry of models: versions, aliases, and what is whose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulators.gcp.conftest import IMAGE, PARENT, Api


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    """A model with two versions; its first is the default one."""
    name = api.model("registry", "")
    add(api, name, displayName="another name", labels={"own": "2"})
    return name


def add(api: Api, parent: str, **more: Any) -> Any:
    given = {"displayName": "x", "containerSpec": {"imageUri": IMAGE}, **more}
    body = {"parentModel": parent, "model": given}
    return api.done(api.call("POST", f"/v1/{PARENT}/models:upload", body))


def test_a_listed_version_has_its_number_in_its_name(api: Api, model: str) -> None:
    found = api.call("GET", f"/v1/{model}:listVersions")["models"]
    assert [each["name"] for each in found] == [f"{model}@2", f"{model}@1"]
    assert api.call("GET", f"/v1/{model}@2")["name"] == f"{model}@2"
    assert api.call("GET", f"/v1/{model}")["name"] == model


def test_all_versions_have_the_models_name_and_its_time(api: Api, model: str) -> None:
    first, second = (api.call("GET", f"/v1/{model}@{number}") for number in (1, 2))
    assert second["displayName"] == first["displayName"] == "registry"
    assert second["createTime"] == first["createTime"] < second["versionCreateTime"]


def test_what_the_model_has_is_not_changed_by_a_versions_name(api: Api, model: str) -> None:
    for name, mask in (
        (f"{model}@1", "displayName"),
        (f"{model}@1", "versionDescription,displayName"),
        (model, "versionDescription"),
    ):
        sent = {"name": name, "displayName": "y", "versionDescription": "z"}
        status, record = api.ask("PATCH", f"/v1/{name}?updateMask={mask}", sent)
        assert (status, record["error"]["status"]) == (400, "FAILED_PRECONDITION")
    sent = {"name": model, "displayName": "renamed"}
    api.call("PATCH", f"/v1/{model}?updateMask=displayName", sent)
    assert api.call("GET", f"/v1/{model}@2")["displayName"] == "renamed"


def test_labels_of_the_model_and_of_a_version_are_shown_together(api: Api, model: str) -> None:
    for name, labels in ((model, {"of": "all"}), (f"{model}@1", {"own": "1"})):
        sent = {"name": name, "labels": labels}
        api.call("PATCH", f"/v1/{name}?updateMask=labels", sent)
    shown = [api.call("GET", f"/v1/{model}@{number}")["labels"] for number in (1, 2)]
    assert shown == [{"of": "all", "own": "1"}, {"of": "all", "own": "2"}]
    third = add(api, model)["response"]["modelVersionId"]
    assert api.call("GET", f"/v1/{model}@{third}")["labels"] == {"of": "all"}
    api.done(api.call("DELETE", f"/v1/{model}@{third}:deleteVersion"))


def test_an_alias_leaves_the_version_that_had_it(api: Api, model: str) -> None:
    for number in ("1", "2"):
        asked = {"versionAliases": ["champion"]}
        told = api.call("POST", f"/v1/{model}@{number}:mergeVersionAliases", asked)
        assert "champion" in told["versionAliases"]
        assert api.call("GET", f"/v1/{model}@champion")["versionId"] == number
    assert api.call("GET", f"/v1/{model}@1")["versionAliases"] == ["default"]
    refused, _ = api.ask("POST", f"/v1/{model}:mergeVersionAliases", {"versionAliases": ["x1"]})
    assert refused == 400


def test_a_models_id_is_held_to_its_alphabet(api: Api) -> None:
    given = {"displayName": "x", "containerSpec": {"imageUri": IMAGE}}
    for bad in ("1st", "-a", "Aa", "a.b", "a" * 64):
        body = {"modelId": bad, "model": given}
        status, record = api.ask("POST", f"/v1/{PARENT}/models:upload", body)
        assert (status, "model_id" in record["error"]["message"]) == (400, True)
