"""The Open Inference Protocol: metadata, tensors as JSON and as bytes, its errors."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from tests.inference.asking import IRIS_ROW, VIRGINICA_ROW, Asked
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.codec.tensor import DATATYPES, Blobs, read_tensor

INFER = "/v2/models/iris/infer"


@pytest.fixture(scope="module")
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


@pytest.fixture(scope="module")
def loan(loan_bundle: Bundle) -> Asked:
    return Asked(loan_bundle)


def matrix(data: Any, **more: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": data} | more


def binary(asked: Asked, path: str, request: dict[str, Any], *blobs: bytes) -> httpx.Response:
    """Send what tritonclient sends: JSON, then the tensors' bytes."""
    text = json.dumps(request).encode()
    headers = {
        "inference-header-content-length": str(len(text)),
        "content-type": "application/octet-stream",
    }
    return asked.ask("POST", path, content=text + b"".join(blobs), headers=headers)


def split(response: httpx.Response) -> tuple[dict[str, Any], bytes]:
    length = int(response.headers["inference-header-content-length"])
    return json.loads(response.content[:length]), response.content[length:]


def strings(data: bytes) -> list[str]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found


def test_the_server_and_its_model_tell_what_they_are(iris: Asked) -> None:
    assert iris.get("/v2").json()["extensions"] == [
        "binary_tensor_data",
        "classification",
        "model_repository",
    ]
    for path in ("/v2/models/iris", "/v2/models/iris/versions/1"):
        assert iris.get(path).json() == {
            "name": "iris",
            "versions": ["1"],
            "platform": "scikit-learn",
            "inputs": [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}],
            "outputs": [
                {"name": "predict", "datatype": "BYTES", "shape": [-1]},
                {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
            ],
        }


def test_health_and_readiness_are_json(iris: Asked) -> None:
    assert iris.get("/v2/health/live").json() == {"live": True}
    assert iris.get("/v2/health/ready").json() == {"ready": True}
    assert iris.get("/v2/models/iris/ready").json() == {"name": "iris", "ready": True}
    assert iris.post("/v2/repository/index", "").json() == [
        {"name": "iris", "version": "1", "state": "READY", "reason": ""}
    ]


@pytest.mark.parametrize("data", [[IRIS_ROW, VIRGINICA_ROW], [*IRIS_ROW, *VIRGINICA_ROW]])
def test_a_tensor_of_rows_may_be_nested_or_flat_and_the_id_comes_back(
    iris: Asked, data: Any
) -> None:
    answer = iris.post(INFER, {"id": "42", "inputs": [matrix(data)]}).json()
    assert answer == {
        "model_name": "iris",
        "model_version": "1",
        "id": "42",
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["setosa", "virginica"]}
        ],
    }


def test_plain_routes_understand_tensors_and_answer_with_tensors(iris: Asked) -> None:
    body = {"inputs": [matrix([IRIS_ROW, VIRGINICA_ROW])]}
    answer = iris.post("/invocations", body).json()
    assert answer["outputs"][0]["data"] == ["setosa", "virginica"]


@pytest.mark.parametrize(
    "ask",
    [
        {"outputs": [{"name": "predict"}, {"name": "predict_proba"}]},
        {"parameters": {"probabilities": True}},
    ],
)
def test_probabilities_are_an_output(iris: Asked, ask: dict[str, Any]) -> None:
    outputs = iris.post(INFER, {"inputs": [matrix([IRIS_ROW, VIRGINICA_ROW])]} | ask).json()[
        "outputs"
    ]
    assert [each["name"] for each in outputs] == ["predict", "predict_proba"]
    assert outputs[1]["shape"] == [2, 3]
    assert np.reshape(outputs[1]["data"], (2, 3)).argmax(1).tolist() == [0, 2]


@pytest.mark.parametrize(("datatype", "dtype"), [("FP32", "<f4"), ("FP64", "<f8"), ("FP16", "<f2")])
def test_bytes_in_and_bytes_out(iris: Asked, datatype: str, dtype: str) -> None:
    data = np.array([IRIS_ROW, VIRGINICA_ROW], dtype).tobytes()
    tensor = {
        "name": "input",
        "shape": [2, 4],
        "datatype": datatype,
        "parameters": {"binary_data_size": len(data)},
    }
    request = {
        "inputs": [tensor],
        "outputs": [{"name": "predict_proba"}, {"name": "predict"}],
        "parameters": {"binary_data_output": True},
    }
    answer, blobs = split(binary(iris, INFER, request, data))
    sizes = [each["parameters"]["binary_data_size"] for each in answer["outputs"]]
    assert [each["name"] for each in answer["outputs"]] == ["predict", "predict_proba"]
    assert strings(blobs[: sizes[0]]) == ["setosa", "virginica"]
    assert np.frombuffer(blobs[sizes[0] :], "<f8").reshape(2, 3).argmax(1).tolist() == [0, 2]


def test_one_output_may_be_bytes_and_another_json(iris: Asked) -> None:
    outputs = [{"name": "predict", "parameters": {"binary_data": True}}, {"name": "predict_proba"}]
    body = {"inputs": [matrix([IRIS_ROW, VIRGINICA_ROW])], "outputs": outputs}
    answer, blobs = split(iris.post(INFER, body))
    assert strings(blobs) == ["setosa", "virginica"]
    assert len(answer["outputs"][1]["data"]) == 6


def test_columns_come_as_a_tensor_each_and_missing_values_as_nan(
    loan: Asked, loan_bundle: Bundle
) -> None:
    manifest = loan_bundle.manifest
    assert manifest.signature
    rows = [example.input for example in manifest.examples]
    inputs, blobs = [], []
    for place, field in enumerate(manifest.signature.fields):
        cells = [row[place] for row in rows]
        head: dict[str, Any] = {"name": field.name, "shape": [len(rows), 1]}
        if field.dtype == "string":
            inputs.append(head | {"datatype": "BYTES", "data": cells})
        else:
            data = np.array([np.nan if cell is None else cell for cell in cells], "<f8").tobytes()
            size = {"binary_data_size": len(data)}
            inputs.append(head | {"datatype": "FP64", "parameters": size})
            blobs.append(data)
    answer = binary(loan, "/v2/models/loan/versions/1.2/infer", {"inputs": inputs}, *blobs)
    assert answer.json()["outputs"][0]["data"] == [each.prediction for each in manifest.examples]


def test_a_model_of_text_takes_strings_as_bytes(spam_bundle: Bundle) -> None:
    text = "win a prize now \N{PARTY POPPER}".encode()
    data = struct.pack("<I", len(text)) + text
    tensor = {
        "name": "anything",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data)},
    }
    response = binary(Asked(spam_bundle), "/v2/models/spam/infer", {"inputs": [tensor]}, data)
    assert response.json()["outputs"][0]["data"] == ["spam"]


def test_the_example_in_the_description_works(
    iris: Asked, loan: Asked, spam_bundle: Bundle
) -> None:
    for asked in (iris, loan, Asked(spam_bundle)):
        document = asked.get("/openapi.json").json()
        example = document["components"]["schemas"]["InferenceRequest"]["example"]
        path = next(path for path in document["paths"] if path.endswith("/infer"))
        assert asked.post(path, example).status_code == 200


FINE = [IRIS_ROW, VIRGINICA_ROW]
REFUSED: list[tuple[Any, str]] = [
    ([], 'expected an object: send {"inputs": [...]}'),
    ({}, "'inputs': expected a list of tensors"),
    ({"inputs": []}, "'inputs': expected a list of tensors"),
    ({"inputs": [matrix(FINE)], "id": 7}, "'id': expected a string"),
    ({"inputs": [7]}, "inputs: each is an object with name, shape, datatype and data"),
    ({"inputs": [matrix(FINE, name=7)]}, "inputs: each is an object with name, shape, datatype and "
     "data"),
    ({"inputs": [matrix(FINE, shape=[-1, 4])]}, "input 'input': shape is a list of up to 8 "
     "lengths"),
    ({"inputs": [matrix(FINE, shape=[2, 3])]}, "input 'input': shape [2, 3] has 6 values, got 8"),
    ({"inputs": [matrix(FINE, shape=[8])]}, "inputs 'input' came: send one of shape [rows, 4], or "
     "one for each of 'sepal_length', 'sepal_width', 'petal_length', 'petal_width'"),
    ({"inputs": [matrix(FINE, shape=[4, 2])]}, "row 0: expected 4 values (sepal_length, "
     "sepal_width, petal_length, petal_width), got a list of 2 values"),
    ({"inputs": [matrix([], shape=[0, 4])]}, "no rows came: send at least one"),
    ({"inputs": [matrix(5)]}, "input 'input': data is a list, flat or nested as the shape is"),
    ({"inputs": [matrix(["a"] * 8)]}, "input 'input': a string came in data of datatype FP64"),
    ({"inputs": [matrix([None] * 8)]}, 'row 0, field "sepal_length": null came, and the model '
     "cannot take a missing value here"),
    ({"inputs": [matrix(FINE, datatype="BF16")]}, "input 'input': datatype 'BF16' is not read: "
     "send one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, "
     "FP64, BYTES"),
    ({"inputs": [matrix(FINE)], "outputs": [{"name": "y"}]}, "unknown output 'y': there is "
     "'predict', 'predict_proba'"),
    ({"inputs": [matrix(FINE)], "outputs": 1}, "'outputs': expected a list of objects with a name"),
    ({"inputs": [matrix(FINE)], "parameters": 1}, "'parameters': expected an object"),
    ({"inputs": [matrix(FINE)], "parameters": {"binary_data_output": 1}}, "'parameters': "
     "binary_data and probabilities are true or false"),
    ({"inputs": [matrix(None, parameters={"binary_data_size": 64})]}, "input 'input': expected 64 "
     "bytes, got 0"),
    ({"inputs": [matrix(None, parameters={"binary_data_size": "x"})]}, "input 'input': "
     "binary_data_size is a number of bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_requests_that_do_not_fit_are_refused_in_words(
    iris: Asked, body: Any, message: str
) -> None:
    response = iris.post(INFER, body)
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_rows_of_a_plain_envelope_are_no_tensors(iris: Asked) -> None:
    assert iris.post("/predict", {"inputs": [IRIS_ROW]}).json() == {"predictions": ["setosa"]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("x", "inference-header-content-length is 'x' and the body has 8 bytes"),
        ("99", "inference-header-content-length is '99' and the body has 8 bytes"),
        ("2", "'inputs': expected a list of tensors"),
    ],
)
def test_a_wrong_length_of_the_json_is_refused(iris: Asked, header: str, message: str) -> None:
    headers = {"inference-header-content-length": header}
    response = iris.ask("POST", INFER, content=b"{}abcdef", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_bytes_that_belong_to_no_input_are_refused(iris: Asked) -> None:
    response = binary(iris, INFER, {"inputs": [matrix(FINE)]}, b"12345")
    assert response.json()["error"] == "5 bytes follow that belong to no input"


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("BYTES", b"\x09\x00\x00\x00abc", "input 'x': a string ends behind the data"),
        ("BYTES", b"\x01\x00", "input 'x': a string ends behind the data"),
        ("BYTES", b"\x01\x00\x00\x00\xff", "input 'x': a string is not UTF-8"),
        ("FP32", b"abc", "input 'x': 3 bytes are no whole number of FP32"),
        ("FP32", b"abcd", "input 'x': shape [1, 4] has 4 values, got 1"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(
    iris: Asked, datatype: str, data: bytes, message: str
) -> None:
    size = {"binary_data_size": len(data)}
    tensor = {"name": "x", "shape": [1, 4], "datatype": datatype, "parameters": size}
    response = binary(iris, INFER, {"inputs": [tensor]}, data)
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_infinities_among_bytes_are_refused_with_their_field(iris: Asked) -> None:
    data = np.array([5.1, np.inf, 1.4, 0.2]).tobytes()
    size = {"binary_data_size": len(data)}
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP64", "parameters": size}
    response = binary(iris, INFER, {"inputs": [tensor]}, data)
    assert response.status_code == 400
    assert 'field "sepal_width"' in response.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/iris/versions/9/infer"])
def test_another_model_or_version_is_404_with_the_one_that_is_here(iris: Asked, path: str) -> None:
    method = "POST" if path.endswith("infer") else "GET"
    response = iris.ask(method, path)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
    assert "this server has 'iris' version '1'" in response.json()["error"]


@pytest.mark.parametrize("path", [INFER, "/invocations"])
def test_members_that_are_not_looked_at_do_no_harm(iris: Asked, path: str) -> None:
    more = {"model_name": "iris", "model_version": "1", "parameters": {"a": 1}, "x": None}
    answer = iris.post(path, {"inputs": [matrix(FINE, parameters={"content_type": "np"})]} | more)
    assert answer.json()["outputs"][0]["data"] == ["setosa", "virginica"]


@pytest.mark.parametrize("kind", ["number", "integer", "string"])
def test_null_is_a_missing_value_in_a_tensor_of_every_type(loan_bundle: Bundle, kind: str) -> None:
    asked, manifest = Asked(loan_bundle), loan_bundle.manifest
    assert manifest.signature
    row = dict(zip(manifest.signature.names, manifest.examples[0].input, strict=True))
    types = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES"}
    fields = [each for each in manifest.signature.fields if each.dtype == kind]
    assert fields
    for field in fields:
        sent = row | {field.name: None}
        tensors = [
            {"name": each.name, "shape": [1], "datatype": types[each.dtype],
             "data": [sent[each.name]]}
            for each in manifest.signature.fields
        ]  # fmt: skip
        tensor = asked.post("/v2/models/loan/infer", {"inputs": tensors})
        plain = asked.post("/predict", {"features": sent})
        assert tensor.status_code == plain.status_code == (200 if field.nullable else 400)
        if field.nullable:
            assert tensor.json()["outputs"][0]["data"] == [plain.json()["prediction"]]
        else:
            assert tensor.json() == plain.json()


@pytest.mark.parametrize("datatype", DATATYPES)
def test_null_is_read_in_every_datatype(datatype: str) -> None:
    record = {"name": "x", "shape": [1], "datatype": datatype, "data": [None]}
    assert read_tensor(record, Blobs(b"")).listed() == [None]


@pytest.mark.parametrize(
    ("datatype", "data", "came"),
    [
        ("BYTES", [True], "true or false"),
        ("BOOL", ["x"], "a string"),
        ("BOOL", [1.5], "a number"),
        ("INT64", [{}], "an object"),
    ],
)
def test_what_does_not_fit_a_datatype_is_named_in_words(
    iris: Asked, datatype: str, data: list[Any], came: str
) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": datatype, "data": data}
    error = iris.post(INFER, {"inputs": [tensor]}).json()["error"]
    assert error == f"input 'x': {came} came in data of datatype {datatype}"


@pytest.mark.parametrize("name", ["predict", "predict_proba"])
@pytest.mark.parametrize(("count", "classes"), [(1, 1), (2, 2), (9, 3)])
def test_the_most_probable_classes_are_an_output(
    iris: Asked, name: str, count: int, classes: int
) -> None:
    output = {"name": name, "parameters": {"classification": count}}
    answer = iris.post(INFER, {"inputs": [matrix(FINE)], "outputs": [output]}).json()
    [tensor] = answer["outputs"]
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == (name, "BYTES", [2, classes])
    shares = iris.post("/predict?probabilities=1", {"instances": FINE}).json()["predictions"]
    for at, row in enumerate(shares):
        ranked = sorted(row["probabilities"].items(), key=lambda each: -each[1])[:classes]
        names = list(row["probabilities"])
        texts = [f"{share:.6f}:{names.index(label)}:{label}" for label, share in ranked]
        assert tensor["data"][at * classes : (at + 1) * classes] == texts


@pytest.mark.parametrize("count", [-1, 1.5, "2", True, None])
def test_a_count_of_classes_is_a_number(iris: Asked, count: Any) -> None:
    output = {"name": "predict_proba", "parameters": {"classification": count}}
    response = iris.post(INFER, {"inputs": [matrix(FINE)], "outputs": [output]})
    assert response.status_code == 400
    assert "classification is a number of classes" in response.json()["error"]
