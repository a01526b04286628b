"""OpenAPI 3.1 written in older versions of the format."""

from __future__ import annotations

from typing import Any

#: Words of JSON Schema 2020-12 that OpenAPI 3.0 does not know.
NEWER = ("prefixItems", "examples")


def lowered(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document as one of 3.0."""
    return {**_lowered(document), "openapi": "3.0.3"}


def swagger(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3.0 document as one of Swagger 2.0, as Azure ML's server gives it.

    Swagger has one schema for each body and no ``anyOf``: where there is a choice, it is left open.
    """
    plain = _referred(_closed(document))
    return {
        "swagger": "2.0",
        "info": plain["info"],
        "tags": plain["tags"],
        "schemes": ["http", "https"],
        **({"basePath": plain["servers"][0]["url"]} if "servers" in plain else {}),
        "paths": {
            path: {method: _operation(older) for method, older in methods.items()}
            for path, methods in plain["paths"].items()
        },
        "definitions": plain["components"]["schemas"],
    }


def _lowered(node: Any) -> Any:
    if isinstance(node, list):
        return [_lowered(each) for each in node]
    if not isinstance(node, dict):
        return node
    older = {key: _kept(key, value) for key, value in node.items() if key not in NEWER}
    if isinstance(kinds := older.get("type"), list):
        older |= {"type": next(kind for kind in kinds if kind != "null"), "nullable": True}
    return older


def _kept(key: str, value: Any) -> Any:
    # Names under properties are the model's own, and an example is data: neither is a keyword.
    if key == "properties":
        return {name: _lowered(each) for name, each in value.items()}
    return value if key in ("example", "enum", "required") else _lowered(value)


def _operation(older: dict[str, Any]) -> dict[str, Any]:
    body = older.pop("requestBody", None)
    query = [_query(parameter) for parameter in older.pop("parameters", [])]
    if body:
        older["consumes"] = list(body["content"])
        older["parameters"] = [_body(body["content"]), *query]
    answers = older["responses"]["200"].get("content", {})
    older["produces"] = list(answers) or ["application/json"]
    older["responses"] = {
        status: _response(response) for status, response in older["responses"].items()
    }
    return older


def _body(content: dict[str, Any]) -> dict[str, Any]:
    described = next(iter(content.values()))["schema"]
    return {"name": "body", "in": "body", "required": True, "schema": described}


def _query(parameter: dict[str, Any]) -> dict[str, Any]:
    described = parameter.pop("schema")
    return {**parameter, **described}


def _response(response: dict[str, Any]) -> dict[str, Any]:
    content = response.pop("content", None)
    return {**response, **(next(iter(content.values())) if content else {})}


def _closed(node: Any) -> Any:
    """Leave out what Swagger 2.0 has no word for."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _closed(each) for name, each in value.items()}
        if key == "properties"
        else _closed(value)
        for key, value in node.items()
        if key not in ("anyOf", "nullable") or not isinstance(value, list | bool)
    }


def _referred(node: Any) -> Any:
    if isinstance(node, list):
        return [_referred(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/components/schemas/", "#/definitions/")
        if key == "$ref" and isinstance(value, str)
        else _referred(value)
        for key, value in node.items()
    }
