"""Right input in the forms that other servers' clients send it: CSV of data frames, frames as
JSON, arrays of NumPy. Each is answered as the plain form of the same rows is."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.inference.asking import IRIS_ROW, VIRGINICA_ROW, Asked
from tests.inference.conftest import IRIS_FIELDS
from tridock.examples.loan import data as loan_data
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.codec.header import positions
from tridock.inference.data.field import MISSING, Field

BOTH = [IRIS_ROW, VIRGINICA_ROW]
ANSWERS = ["setosa", "virginica"]
NAMES = list(IRIS_FIELDS)
HEADER = ",".join(NAMES)
ROWS = "5.1,3.5,1.4,0.2\n7.2,3.6,6.1,2.5\n"
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in BOTH]


@pytest.fixture(scope="module")
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


@pytest.fixture(scope="module")
def loan(loan_bundle: Bundle) -> Asked:
    return Asked(loan_bundle)


@pytest.fixture(scope="module")
def spam(spam_bundle: Bundle) -> Asked:
    return Asked(spam_bundle)


def fields(bundle: Bundle) -> tuple[Field, ...]:
    assert bundle.manifest.signature
    return bundle.manifest.signature.fields


def csv(asked: Asked, text: str | bytes, media: str = "text/csv") -> httpx.Response:
    return asked.post("/invocations", text, content_type=media)


@pytest.mark.parametrize(
    "text",
    [
        f" {', '.join(NAMES)} \n{ROWS}",
        f"{HEADER.upper()}\n{ROWS}",
        f"{HEADER.title()}\r\n" + ROWS.replace("\n", "\r\n"),
        ", ".join(f'"{name}"' for name in NAMES) + "\n" + ROWS,
        f"\ufeff{HEADER}\n{ROWS}",
        pd.DataFrame(BOTH, columns=NAMES).to_csv(),
        pd.DataFrame(BOTH, columns=NAMES).to_csv(index_label="id"),
        pd.DataFrame(BOTH, columns=NAMES).assign(label="?")[["label", *NAMES[::-1]]].to_csv(),
        f"{HEADER},\n5.1,3.5,1.4,0.2,\n7.2,3.6,6.1,2.5,\n",
    ],
    ids=["blanks", "upper", "crlf", "quoted", "mark", "index", "id", "extra", "trailing"],
)
def test_a_header_is_read_as_data_frames_and_people_write_it(iris: Asked, text: str) -> None:
    response = csv(iris, text.encode())
    assert (response.status_code, response.text) == (200, "setosa\nvirginica\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"id,{HEADER[:-12]}\n1,2,3,4\n", 'the header lacks "petal_width": it has "id", '
         '"sepal_length", "sepal_width", "petal_length"'),
        (f"{HEADER},Petal_Width,petal_width\n1,2,3,4,5,6\n", 'the header names "petal_width" more '
         'than once: it has "sepal_length", "sepal_width", "petal_length", "petal_width", '
         '"Petal_Width", "petal_width"'),
        (f"{HEADER}\n0,1,2,3,4\n", "row 0: expected 4 values as the header has names, got 5"),
        (f"{HEADER}\n", "no rows came: send at least one"),
    ],
)  # fmt: skip
def test_a_header_that_leaves_a_doubt_is_refused(iris: Asked, text: str, message: str) -> None:
    response = csv(iris, text)
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_names_match_as_they_are_before_they_match_without_case() -> None:
    assert positions(["A", "a"], ["a", "A"]).places == {"a": 1, "A": 0}
    assert positions(["b", "A"], ["a", "A"]).missing == ("a",)
    assert positions(["x", " A"], ["a"]).places == {"a": 1}
    assert positions(["Aa", "aA"], ["aa"]).repeated == ("aa",)
    assert not positions(["AA"], ["Aa", "aA"]).is_complete


def test_a_row_that_says_the_name_of_the_only_field_is_a_row(
    spam: Asked, spam_bundle: Bundle
) -> None:
    name = fields(spam_bundle)[0].name.upper()
    assert csv(spam, f"{name}\n").text.count("\n") == 1
    assert csv(spam, f"id,{name}\n1,win a prize now\n").text == "spam\n"


@pytest.mark.parametrize("word", [*sorted(MISSING - {""}), "NAN", " nan ", " NA", " "])
def test_a_word_for_a_missing_value_is_one(loan: Asked, loan_bundle: Bundle, word: str) -> None:
    frame = loan_data.generate(40, seed=7)[list(loan_data.FEATURES)]
    nullable = [
        each.name for each in fields(loan_bundle) if each.nullable and each.dtype != "string"
    ]
    assert nullable
    frame[nullable] = np.nan
    text, empty = frame.to_csv(na_rep=word), frame.to_csv()
    asked = "/invocations?probabilities=true"
    answer = loan.post(asked, text, content_type="text/csv")
    assert answer.status_code == 200, answer.text
    assert answer.text == loan.post(asked, empty, content_type="text/csv").text


def test_a_word_that_is_a_category_stays_one() -> None:
    kinds = Field("alley", "string", categories=("NA", "grvl"), nullable=True)
    assert (kinds.parse("NA"), kinds.parse("NaN"), kinds.parse("")) == ("NA", None, None)
    text = Field("text", "string", nullable=True)
    assert (text.parse("None"), text.parse("")) == ("None", None)
    assert Field("text", "string").parse("NA") == "NA"
    assert Field("sure", "boolean").parse(" null") is None


SPLIT = json.loads(pd.DataFrame(BOTH, columns=NAMES).to_json(orient="split"))
MORE = json.loads(pd.DataFrame(RECORDS).assign(label="?").to_json(orient="split"))
COLUMNS = {name: [row[at] for row in BOTH] for at, name in enumerate(NAMES)}


@pytest.mark.parametrize("route", ["/score", "/invocations", "/predict"])
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"data": BOTH}, ANSWERS),
        ({"data": RECORDS}, ANSWERS),
        ({"data": IRIS_ROW}, ["setosa"]),
        ({"data": SPLIT}, ANSWERS),
        ({"input_data": SPLIT}, ANSWERS),
        ({"input_data": MORE}, ANSWERS),
        ({"input_data": SPLIT, "params": {}}, ANSWERS),
        ({"input_data": {"index": [0, 1], "data": BOTH}}, ANSWERS),
        ({"input_data": {"columns": [0, 1, 2, 3], "index": [0, 1], "data": BOTH}}, ANSWERS),
        ({"input_data": BOTH}, ANSWERS),
        ({"input_data": [{**row, "id": 7} for row in RECORDS]}, ANSWERS),
        ({"input_data": COLUMNS}, ANSWERS),
        ({"input_data": RECORDS[0]}, ["setosa"]),
        ({"dataframe_split": SPLIT}, {"predictions": ANSWERS}),
        ({"dataframe_split": MORE}, {"predictions": ANSWERS}),
        ({"dataframe_split": {"data": BOTH}}, {"predictions": ANSWERS}),
        ({"dataframe_records": RECORDS}, {"predictions": ANSWERS}),
        ({"dataframe_records": [{**row, "id": 7} for row in RECORDS]}, {"predictions": ANSWERS}),
        ({"instances": BOTH, "signature_name": "serving_default"}, {"predictions": ANSWERS}),
        ({"inputs": COLUMNS}, {"predictions": ANSWERS}),
        ({"inputs": {name: [[cell] for cell in cells] for name, cells in COLUMNS.items()}},
         {"predictions": ANSWERS}),
    ],
)  # fmt: skip
def test_frames_are_answered_as_their_clients_expect(
    iris: Asked, route: str, body: Any, answer: Any
) -> None:
    response = iris.post(route, body)
    assert (response.status_code, response.json()) == (200, answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"dataframe_split": BOTH}, "'dataframe_split': expected {\"columns\": [...], \"data\": "
         "[[...]]}, got a list"),
        ({"dataframe_split": {**SPLIT, "x": 1}}, "'dataframe_split': unknown member 'x': there are "
         "columns, index and data"),
        ({"dataframe_split": {"columns": NAMES[:3], "data": []}}, "'dataframe_split': the columns "
         'lack "petal_width": they are "sepal_length", "sepal_width", "petal_length"'),
        ({"dataframe_split": {"columns": NAMES, "data": [[1, 2]]}}, "'dataframe_split': row 0: "
         "expected a list of 4 values as there are columns, got a list of 2"),
        ({"dataframe_split": {"columns": [None], "data": []}}, "'dataframe_split': 'columns' is a "
         "list of names, got a list"),
        ({"dataframe_records": SPLIT}, "'dataframe_records': expected a list of rows, got an "
         "object"),
        ({"dataframe_records": [{"x": 1}]}, 'row 0: unknown field "x": the fields are '
         '"sepal_length", "sepal_width", "petal_length", "petal_width"'),
        ({"input_data": {**COLUMNS, NAMES[0]: [1]}}, "'input_data': columns differ in length: "
         "[1, 2]"),
        ({"input_data": {**COLUMNS, NAMES[0]: 1}}, "'input_data': column \"sepal_length\" is a "
         "list of values, got a number"),
        ({"input_data": None}, "'input_data': expected a list of rows, got null"),
        ({"data": BOTH, "params": {"x": 1}}, "'params': unknown parameter 'x': there is "
         "'probabilities'"),
    ],
)  # fmt: skip
def test_frames_that_do_not_fit_are_refused_in_words(iris: Asked, body: Any, message: str) -> None:
    response = iris.post("/score", body)
    assert (response.status_code, response.json()["error"]) == (400, message)


def saved(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_probabilities_come_with_frames_where_they_are_asked_for(iris: Asked) -> None:
    for body in ({"data": BOTH}, {"dataframe_split": SPLIT}):
        answer = iris.post("/score", body | {"params": {"probabilities": True}}).json()
        first = (answer if isinstance(answer, list) else answer["predictions"])[0]
        assert max(first["probabilities"], key=first["probabilities"].get) == "setosa"


@pytest.mark.parametrize("route", ["/score", "/invocations", "/predict"])
@pytest.mark.parametrize(
    "array",
    [
        np.array(BOTH),
        np.array(BOTH, np.float32),
        np.array(BOTH, ">f8"),
        np.asfortranarray(BOTH),
    ],
    ids=["double", "single", "big-endian", "fortran"],
)
def test_an_array_is_answered_with_an_array(iris: Asked, route: str, array: Any) -> None:
    response = iris.post(route, saved(array), content_type="application/x-npy")
    assert response.headers["content-type"] == "application/x-npy"
    answer = np.load(io.BytesIO(response.content), allow_pickle=False)
    assert answer.tolist() == ANSWERS


def test_arrays_are_one_of_the_forms_that_can_be_asked_for(iris: Asked) -> None:
    one = iris.post(
        "/predict", saved(np.array(IRIS_ROW)), content_type="application/x-npy", accept="text/csv"
    )
    assert one.text == "setosa\n"
    accept = {"content-type": "application/json", "accept": "application/x-npy"}
    body = json.dumps({"instances": BOTH})
    shares = iris.ask("POST", "/predict?probabilities=true", content=body, headers=accept)
    array = np.load(io.BytesIO(shares.content), allow_pickle=False)
    plain = iris.post("/predict?probabilities=true", {"instances": BOTH}).json()["predictions"]
    assert array.tolist() == [list(each["probabilities"].values()) for each in plain]


class Evil:
    def __reduce__(self) -> Any:
        return print, ("unpickled",)


HEAD = b"\x93NUMPY\x01\x00"


def with_header(text: str, data: bytes = b"") -> bytes:
    return HEAD + len(text).to_bytes(2, "little") + text.encode() + data


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not an array in NumPy's format (.npy)"),
        (b"[[1,2,3,4]]", "the body is not an array in NumPy's format (.npy)"),
        (pickle.dumps(Evil()), "the body is not an array in NumPy's format (.npy)"),
        (with_header("{'descr': '<f8', 'fortran_order': False}"), "the body is not an array in "
         "NumPy's format (.npy)"),
        (with_header("(" * 99), "the body is not an array in NumPy's format (.npy)"),
        (saved(np.array([Evil()])), "the array holds Python objects, which are never unpickled: "
         "send numbers, booleans or strings, such as array.astype(float) or array.astype(str)"),
        (saved(np.array(1.0)), "the array has shape []: send one of [rows, 4]"),
        (saved(np.ones((1, 2, 2))), "the array has shape [1, 2, 2]: send one of [rows, 4]"),
        (saved(np.ones((1, 4), complex)), "the array is of type complex128: send numbers, booleans "
         "or strings"),
        (saved(np.ones((2, 4)))[:-8], "the array of shape [2, 4] and type float64 has 64 bytes, "
         "got 56"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 4)}"),
         "the array of shape [99999999999, 4] and type float64 has 3199999999968 bytes, got 0"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -4)}", b"0" * 32),
         "the array of shape [-1, -4] and type float64 has 32 bytes, got 32"),
        (with_header("{'descr': '<U1', 'fortran_order': False, 'shape': (1, 4)}", b"\xff" * 16),
         "the array holds characters that are not Unicode"),
        (saved(np.array([[1.0, np.nan, 1, 1]])), 'row 0, field "sepal_width": null came, and the '
         "model cannot take a missing value here"),
        (saved(np.ones((1, 3))), "row 0: expected 4 values (sepal_length, sepal_width, "
         "petal_length, petal_width), got a list of 3 values"),
        (saved(np.ones((0, 4))), "no rows came: send at least one"),
    ],
)  # fmt: skip
def test_what_is_no_array_of_rows_is_refused_and_never_unpickled(
    iris: Asked, body: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = iris.post("/invocations", body, content_type="application/x-npy")
    assert (response.status_code, response.json()["error"]) == (400, message)
    assert "unpickled" not in capsys.readouterr().out


def test_strings_in_an_array_are_texts(spam: Asked) -> None:
    body = saved(np.array(["win a prize now", "see you at lunch"]))
    response = spam.post("/predict", body, content_type="application/x-npy")
    assert np.load(io.BytesIO(response.content)).tolist() == ["spam", "ham"]
