"""The API's description: this model's own fields, and examples that work."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.inference.asking import Asked
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package_script
from tridock.inference.settings import Settings


@pytest.fixture(scope="module", params=["iris_bundle", "loan_bundle", "spam_bundle"])
def asked(request: pytest.FixtureRequest) -> Asked:
    return Asked(request.getfixturevalue(request.param))


def schemas(asked: Asked) -> Any:
    return asked.get("/openapi.json").json()["components"]["schemas"]


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(references, node.values()))


def test_every_route_that_is_described_answers_the_example_it_shows(asked: Asked) -> None:
    document = asked.get("/openapi.json").json()
    tried = 0
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for media, told in content.items():
            name = told["schema"].get("$ref", "").rpartition("/")[2]
            example = told.get("example", schemas(asked).get(name, {}).get("example"))
            if example is not None:
                response = asked.post(path, example, content_type=media)
                assert response.status_code == 200, (path, media, response.text)
                tried += 1
        if "get" in methods:
            assert asked.get(path).status_code == 200, path
    assert tried >= 7


def test_the_example_answers_are_what_the_model_answers(asked: Asked) -> None:
    found = schemas(asked)
    answer = asked.post("/invocations", found["Instances"]["example"]).json()
    assert answer == found["Predictions"]["example"]


def test_a_fields_categories_range_and_nulls_are_shown(loan_bundle: Bundle) -> None:
    found = schemas(Asked(loan_bundle))["NamedRow"]
    assert loan_bundle.manifest.signature
    for field in loan_bundle.manifest.signature.fields:
        shown = found["properties"][field.name]
        kinds = shown["type"] if isinstance(shown["type"], list) else [shown["type"]]
        assert ("null" in kinds) == field.nullable
        assert set(shown.get("enum", ())) - {None} == set(field.closed or ())
        if field.minimum is not None:
            assert f"{field.minimum:g} to {field.maximum:g}" in shown["description"]
    assert found["required"] == list(loan_bundle.manifest.signature.names)


def test_the_classes_are_shown(iris_bundle: Bundle) -> None:
    value, explained = schemas(Asked(iris_bundle))["Prediction"]["anyOf"]
    assert value["enum"] == ["setosa", "versicolor", "virginica"]
    assert set(explained["properties"]) == {"prediction", "probabilities"}


def test_no_reference_leads_nowhere_in_any_version(asked: Asked) -> None:
    for version, where in (("3.1", "components"), ("3", "components"), ("2", "definitions")):
        document = asked.get(f"/swagger.json?version={version}").json()
        held = document[where]["schemas"] if where == "components" else document[where]
        for reference in references(document):
            assert reference.rpartition("/")[2] in held


def test_azure_gets_swagger_by_default_and_the_newer_ones_on_request(asked: Asked) -> None:
    assert asked.get("/swagger.json").json()["swagger"] == "2.0"
    assert asked.get("/swagger.json?version=3").json()["openapi"] == "3.0.3"
    assert asked.get("/swagger.json?version=3.1").json()["openapi"] == "3.1.0"
    refused = asked.get("/swagger.json?version=9")
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "version '9' is not written: ask for 2, 3 or 3.1",
    )


def words(node: Any) -> set[str]:
    """Return every key of a document, those of examples and of the model's fields left out."""
    if isinstance(node, list):
        return set().union(*map(words, node))
    if not isinstance(node, dict):
        return set()
    inner = (value for key, value in node.items() if key not in ("properties", "example"))
    named = node.get("properties", {}).values()
    return set(node).union(*map(words, inner), *map(words, named))


def test_the_older_versions_use_no_newer_words(asked: Asked) -> None:
    third = asked.get("/swagger.json?version=3").json()
    second = asked.get("/swagger.json").json()
    assert not words(third) & {"prefixItems", "examples"}
    assert not words(second) & {"prefixItems", "examples", "anyOf", "nullable", "requestBody"}


def test_the_vertex_routes_are_described_where_they_are_named(iris_bundle: Bundle) -> None:
    settings = Settings(health_route="/v1/h", predict_route="/v1/e:predict")
    paths = Asked(iris_bundle, settings).get("/openapi.json").json()["paths"]
    assert {"/v1/h", "/v1/e:predict"} <= paths.keys()


@pytest.mark.usefixtures("script_traces")
def test_a_script_without_a_signature_is_described_as_open(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("open")
    (folder / "score.py").write_text("def init(): pass\n\n\ndef run(data): return data\n")
    about = About("open", script=folder / "score.py")
    asked = Asked(package_script(folder / "bundle", about=about))
    document = asked.get("/openapi.json").json()
    assert list(document["paths"]["/score"]["post"]["requestBody"]["content"]) == ["*/*"]
    assert asked.get("/swagger.json").status_code == 200


def test_the_page_loads_all_it_draws_with_from_this_server(asked: Asked) -> None:
    page = asked.get("/docs").text
    loaded = re.findall(r'(?:href|src)="([^"]+)"', page) + re.findall(r"url: '([^']+)'", page)
    assert len(loaded) == 4
    assert {asked.get("/" + each).status_code for each in loaded} == {200}
