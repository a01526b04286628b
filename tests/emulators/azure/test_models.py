"""The registry of models: versions, what of them may change, archives and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulators.azure.conftest import Facts, RunScript
from tests.emulators.azure.rest import WORKSPACE, Rest

MODELS = f"{WORKSPACE}/models"


@pytest.fixture(scope="module")
def facts(run_script: RunScript, iris: Path) -> Facts:
    return run_script("models.py", iris)


@pytest.fixture(scope="module")
def files(rest: Rest) -> str:
    return rest.upload({"model.bin": b"1"})


def put(rest: Rest, name: str, version: object, uri: str, **more: Any) -> int:
    body = {"properties": {"modelUri": uri, "modelType": "custom_model", **more}}
    return rest.arm("PUT", f"{MODELS}/{name}/versions/{version}", body).status_code


def test_versions_are_numbered_by_the_service(facts: Facts) -> None:
    assert facts["versions"] == ["1", "2"]


def test_tags_and_description_change_and_properties_do_not(facts: Facts) -> None:
    assert facts["told"] == [{"stage": "approved"}, "Ann: good", "0.9"]
    assert "'properties.accuracy' cannot be changed" in facts["refused"]


def test_what_is_archived_is_not_listed_until_it_is_restored(facts: Facts) -> None:
    assert facts["active"] == [["1"], "1"]
    assert facts["archived"] == ["2"]
    assert facts["restored"] == [["1", "2"], "2"]
    assert (facts["hidden"], facts["shown"]) == ([], ["2"])


def test_a_version_is_a_whole_number(rest: Rest, files: str) -> None:
    assert put(rest, "numbered", 3, files) == 201
    assert [put(rest, "numbered", bad, files) for bad in ("1.0.0", "0", "-1", "x")] == [400] * 4
    assert rest.arm("GET", f"{MODELS}/numbered").json()["properties"]["nextVersion"] == "4"


def test_a_version_keeps_its_files(rest: Rest, files: str) -> None:
    assert put(rest, "kept", 1, files) == 201
    body = {"properties": {"modelUri": f"{files}/other"}}
    answer = rest.arm("PUT", f"{MODELS}/kept/versions/1", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
    assert answer.json()["error"]["message"] == "Asset paths cannot be updated."


def test_properties_are_added_to(rest: Rest, files: str) -> None:
    for pairs in ({"a": "1"}, {"b": "2"}):
        assert put(rest, "added", 1, files, properties=pairs) == 201
    found = rest.arm("GET", f"{MODELS}/added/versions/1").json()["properties"]["properties"]
    assert found == {"a": "1", "b": "2"}


def test_a_container_has_tags_of_its_own_that_are_replaced_whole(rest: Rest, files: str) -> None:
    assert put(rest, "tagged", 1, files, tags={"of": "version"}) == 201
    for tags in ({"alias": "1", "x": "y"}, {"alias": "2"}):
        body = {"properties": {"tags": tags}}
        answer = rest.arm("PUT", f"{MODELS}/tagged", body)
        assert answer.status_code in (200, 201)
        assert answer.json()["properties"]["tags"] == tags
    found = rest.arm("GET", f"{MODELS}/tagged").json()["properties"]
    assert (found["tags"], found["latestVersion"]) == ({"alias": "2"}, "1")
    assert rest.arm("PUT", f"{MODELS}/tagged", {"properties": {"x": 1}}).status_code == 400


def test_lists_come_in_pages_and_by_tag(rest: Rest, files: str) -> None:
    for number in range(1, 103):
        assert put(rest, "many", number, files, tags={"even": str(number % 2 == 0)}) == 201
    first = rest.arm("GET", f"{MODELS}/many/versions").json()
    second = rest.client.get(first["nextLink"]).json()
    assert [len(one["value"]) for one in (first, second)] == [100, 2]
    assert "nextLink" not in second
    newest = {"$top": "1", "$orderBy": "createdtime desc"}
    told = rest.arm("GET", f"{MODELS}/many/versions", **newest).json()
    assert ([one["name"] for one in told["value"]], "nextLink" in told) == (["102"], False)
    even = rest.arm("GET", f"{MODELS}/many/versions", tags="even=True").json()["value"]
    assert len(even) == 51
    assert rest.arm("GET", f"{MODELS}/many/versions", listViewType="No").status_code == 400
