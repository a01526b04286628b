"""Missing values reach a model as it learnt them, and packaging compares every row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.errors import PackagingError
from tridock.inference.model.model import Model
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging import compare
from tridock.inference.packaging.package import About, package
from tridock.inference.packaging.sample import Sample

ROWS = 120
DICE = np.random.default_rng(11)
TOWN = np.array(["S", "C", "Q", None], dtype=object)[DICE.integers(0, 4, ROWS)]
AGE = np.where(DICE.random(ROWS) < 0.2, np.nan, DICE.uniform(1, 80, ROWS).round(1))
SAILED = pd.Series(TOWN).isna().to_numpy() | (DICE.random(ROWS) < 0.2)


def frame(town: Any) -> pd.DataFrame:
    return pd.DataFrame({"town": town, "age": AGE})


def fitted(rows: pd.DataFrame, last: Any = None, encoder: Any = None) -> Any:
    columns = make_column_transformer(
        (encoder or OneHotEncoder(handle_unknown="ignore"), ["town"]), (SimpleImputer(), ["age"])
    )
    return make_pipeline(columns, last or LogisticRegression()).fit(rows, SAILED.astype(int))


TOWNS = {
    "None": pd.Series(TOWN, dtype=object),
    "NaN": pd.Series(TOWN, dtype=object).fillna(np.nan),
    "category": pd.Series(TOWN, dtype="category"),
    "whole numbers or None": pd.Series(TOWN).map({"S": 1, "C": 2, "Q": 3}).astype(object),
    "booleans or None": pd.Series([True, False, None] * (ROWS // 3), dtype=object),
    "floats": pd.Series([1.0, 2.0, np.nan] * (ROWS // 3)),
}
TOWNS["whole numbers or None"] = TOWNS["whole numbers or None"].where(
    TOWNS["whole numbers or None"].notna(), None
)


@pytest.mark.parametrize("kind", TOWNS)
def test_a_null_becomes_the_missing_value_that_an_encoder_learnt(kind: str, to: Path) -> None:
    rows = frame(TOWNS[kind])
    model = fitted(rows)
    bundle = package(model, rows, to, about=About("sailed", examples=0, compile=False))
    assert bundle.manifest.compared is not None
    assert bundle.manifest.compared.rows == ROWS
    score.init(bundle.path)
    sent = json.loads(rows.to_json(orient="records"))
    answers = score.run_with_probabilities(sent)
    shares = [list(each["probabilities"].values()) for each in answers]
    assert [each["prediction"] for each in answers] == model.predict(rows).tolist()
    np.testing.assert_allclose(shares, model.predict_proba(rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean"])
def test_nullable_columns_are_rebuilt(dtype: str, to: Path) -> None:
    numbers = pd.Series([1, 0, None] * (ROWS // 3), dtype=dtype)
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    rows = frame(numbers)
    bundle = package(fitted(rows, encoder=encoder), rows, to, about=About("m", compile=False))
    assert bundle.manifest.signature is not None
    assert bundle.manifest.signature.fields[0].frame_dtype == dtype


def test_a_sample_from_a_csv_file_takes_the_missing_value_of_the_encoder(
    to: Path, tmp_path: Path
) -> None:
    model, file = fitted(frame(TOWNS["None"])), tmp_path / "sample.csv"
    frame(TOWNS["None"]).to_csv(file, index=False)
    bundle = package(model, pd.read_csv(file), to, about=About("m", compile=False))
    assert bundle.manifest.signature is not None
    assert bundle.manifest.signature.fields[0].missing_value == "none"
    score.init(bundle.path)
    alone = frame(TOWNS["None"])[pd.isna(TOWN)][:1].assign(age=30.0)
    assert score.run([[None, 30.0]]) == model.predict(alone).tolist()


def test_a_manifest_without_special_missing_values_keeps_its_members(to: Path) -> None:
    rows = frame(TOWNS["NaN"])
    text = (package(fitted(rows), rows, to, about=About("m")).path / MANIFEST).read_text()
    assert {"missing_value", "frame_dtype"}.isdisjoint(json.loads(text)["signature"]["fields"][0])


def test_a_wrong_missing_value_planted_in_a_bundle_is_caught(to: Path) -> None:
    rows = frame(TOWNS["None"])
    model = fitted(rows)
    bundle = package(model, rows, to, about=About("m", compile=False))
    wrong = _with_missing(bundle, "nan")
    with pytest.raises(PackagingError, match=r'of 120 rows .* row \d+, \{"town":null') as refused:
        compare.compare(wrong, _answering(model, bundle.manifest), Sample.read(model, rows))
    assert "the fitted model gives" in str(refused.value)
    assert compare.compare(
        bundle, _answering(model, bundle.manifest), Sample.read(model, rows)
    ).rows == len(rows)


def test_decision_values_are_compared_where_there_are_no_probabilities(to: Path) -> None:
    """A strong penalty leaves one label for all rows, whatever is missing."""
    rows = frame(TOWNS["None"])
    model = fitted(rows, RidgeClassifier(alpha=1e6))
    assert len(set(model.predict(rows))) == 1
    bundle = package(model, rows, to, about=About("m", compile=False))
    with pytest.raises(PackagingError, match="predicted otherwise"):
        compare.compare(
            _with_missing(bundle, "nan"),
            _answering(model, bundle.manifest),
            Sample.read(model, rows),
        )


@pytest.mark.parametrize("examples", [0, 20])
def test_a_column_with_two_kinds_of_missing_values_is_refused(examples: int, to: Path) -> None:
    both = pd.Series(["S", None, np.nan, "C"] * (ROWS // 4), dtype=object)
    target = both.map(lambda town: town is None).to_numpy()
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(
        both.to_frame("town"), target
    )
    with pytest.raises(PackagingError, match="Column 'town' holds missing values of 2 kinds"):
        package(model, both.to_frame("town"), to, about=About("m", examples=examples))
    assert not to.exists()


def test_the_array_of_objects_keeps_none(to: Path) -> None:
    rows = np.array([["S", 1], [None, 2], ["C", 3], [None, 1]] * 10, dtype=object)
    model = make_pipeline(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), RidgeClassifier()
    ).fit(rows, [row[0] is None for row in rows])
    bundle = package(model, rows, to, about=About("m", compile=False))
    score.init(bundle.path)
    assert score.run([[None, 2], ["S", 1]]) == model.predict(rows[[1, 0]]).tolist()


def _answering(model: Any, manifest: Manifest) -> Model:
    assert manifest.signature is not None
    assert manifest.output is not None
    engine = Estimator(model, manifest.signature.fields)
    return Model(engine, manifest.signature, manifest.output)


def _with_missing(bundle: Bundle, missing: Any) -> Bundle:
    signature = bundle.manifest.signature
    assert signature is not None
    fields = tuple(replace(field, missing_value=missing) for field in signature.fields)
    changed = replace(bundle.manifest, signature=replace(signature, fields=fields))
    return replace(bundle, manifest=changed)
