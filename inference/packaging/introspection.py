"""Introspection of a fitted model: its inputs, outputs, needs and usual values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np

from tridock.inference.bundle import baseline
from tridock.inference.bundle.baseline import Baseline, Numeric
from tridock.inference.bundle.libraries import installed
from tridock.inference.bundle.manifest import Example
from tridock.inference.data.field import Dtype
from tridock.inference.data.signature import OutputSignature, Signature, Task
from tridock.inference.errors import InferenceError, PackagingError
from tridock.inference.model.model import Model, jsonable
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging import probe
from tridock.inference.packaging.sample import Sample
from tridock.inference.packaging.sample_column import native

#: Whose versions are always kept: those that a pickled scikit-learn model is made with.
LIBRARIES = ("python", "scikit-learn", "numpy", "scipy", "joblib")
#: Packages of these libraries, and Python's own, are known without asking.
PACKAGES = {"sklearn", "numpy", "scipy", "joblib", "pandas", "builtins"}


@dataclass(frozen=True)
class Description:
    """The parts of a manifest that a model and a sample tell.

    Attributes
    ----------
    signature : Signature
        What it takes.
    output : OutputSignature
        What it answers.
    baseline : Baseline
        Statistics of the sample and of its predictions.
    examples : tuple of Example
        Rows of the sample with their predictions.
    libraries : dict of str to str
        Versions of what the model is made with.
    """

    signature: Signature
    output: OutputSignature
    baseline: Baseline
    examples: tuple[Example, ...]
    libraries: dict[str, str]


def describe(estimator: Any, sample: Sample, *, examples: int) -> Description:
    """Find out all that a fitted model and a sample of its input tell.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    sample : Sample
        Rows that it can predict.
    examples : int
        How many rows to keep with their predictions.

    Raises
    ------
    PackagingError
        If the model cannot predict the sample.
    """
    predictions = _predicted(estimator, sample)
    signature = probe.signature(estimator, sample)
    fitted = _with_probabilities(
        Model(Estimator(estimator, signature.fields), signature, _output(estimator, predictions)),
        estimator,
        sample,
    )
    return Description(
        signature=signature,
        output=fitted.output,
        baseline=_baseline(fitted, sample, predictions),
        examples=_examples(fitted, sample, examples),
        libraries=installed((*LIBRARIES, *_further_libraries(estimator, sample))),
    )


def _predicted(estimator: Any, sample: Sample) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            predictions = estimator.predict(sample.data)
        except Exception as error:
            raise PackagingError(f"the model cannot predict the sample: {error}") from error
    predictions = predictions.toarray() if hasattr(predictions, "toarray") else predictions
    predictions = np.asarray(predictions)
    if predictions.shape[:1] != (len(sample),):
        raise PackagingError(
            f"the model gave predictions of shape {predictions.shape} for {len(sample)} rows: a "
            "model of texts takes a list of strings as its sample"
        )
    return predictions


def _output(estimator: Any, predictions: Any) -> OutputSignature:
    task = _task(estimator)
    classes = getattr(estimator, "classes_", ()) if task == "classification" else ()
    return OutputSignature(
        task=task,
        dtype=_dtype(predictions),
        classes=tuple(_labels(each) for each in classes),
        shape=predictions.shape[1:],
    )


def _task(estimator: Any) -> Task:
    from sklearn import base

    tests: dict[Task, Any] = {
        "classification": base.is_classifier,
        "regression": base.is_regressor,
        "clustering": base.is_clusterer,
        "outliers": base.is_outlier_detector,
    }
    for task, test in tests.items():
        try:
            if test(estimator):
                return task
        except AttributeError:  # It has ``predict``, and is no scikit-learn estimator.
            break
    return "other"


def _dtype(predictions: Any) -> Dtype:
    kinds: dict[str, Dtype] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    kind = predictions.dtype.kind
    if kind == "O":
        kind = np.asarray(predictions.ravel().tolist()).dtype.kind
    return kinds.get(kind, "string")


def _labels(classes: Any) -> Any:
    """Return a label, or a tuple of them for one of several outputs, as JSON values."""
    return tuple(map(_label, classes)) if isinstance(classes, np.ndarray) else _label(classes)


def _label(label: Any) -> Any:
    value = native(label)
    if not isinstance(value, str | int | float | bool):
        raise PackagingError(f"class label {label!r} is no string, number or boolean")
    return value


def _with_probabilities(fitted: Model, estimator: Any, sample: Sample) -> Model:
    """Tell whether the model gives a probability for each of its classes, by asking it."""
    probabilistic = replace(fitted, output=replace(fitted.output, probabilities=True))
    if not hasattr(estimator, "predict_proba"):
        return fitted
    try:
        probabilistic.answers(sample.take([0]), probabilities=True).values()
    except (InferenceError, ValueError, TypeError):  # Not in the shape of its classes.
        return fitted
    return probabilistic


def _baseline(fitted: Model, sample: Sample, predictions: Any) -> Baseline:
    fields = zip(fitted.signature.fields, sample.columns, strict=True)
    outputs = predictions.reshape(len(sample), -1).T
    numeric = fitted.output.task in ("regression", "other") and fitted.output.dtype != "string"
    statistics = baseline.numeric if numeric else baseline.categorical
    return Baseline(
        {each.name: baseline.of_field(each, cells) for each, cells in fields},
        tuple(statistics(jsonable(output)) for output in outputs),
        _confidence(fitted, sample),
    )


def _confidence(fitted: Model, sample: Sample) -> Numeric | None:
    if not fitted.output.probabilities:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = fitted.answers(sample.whole(), probabilities=True).shares
    shares = shares[0] if isinstance(shares, tuple) else shares
    return None if shares is None else baseline.numeric(jsonable(np.max(shares, axis=1)))


def _examples(fitted: Model, sample: Sample, count: int) -> tuple[Example, ...]:
    """Keep rows spread over the sample, with the answers that they get when they come as JSON."""
    indices = np.unique(np.linspace(0, len(sample) - 1, count).astype(int)).tolist()
    if not indices:
        return ()
    rows = [sample.row(index) for index in indices]
    inputs: list[Any] = [row[0] for row in rows] if sample.container == "text" else rows
    answers = fitted.predict(fitted.signature.rows(inputs))
    return tuple(Example(i, a) for i, a in zip(inputs, answers, strict=True))


def _further_libraries(estimator: Any, sample: Sample) -> Sequence[str]:
    """Name the distributions the model's parts come from, beyond the usual ones."""
    parts = [estimator, *_parameters(estimator).values()]
    packages = {type(part).__module__.partition(".")[0] for part in parts} - PACKAGES
    pandas = ["pandas"] if sample.container == "dataframe" else []
    if not packages:
        return pandas
    known = metadata.packages_distributions()
    return pandas + sorted({name for package in packages for name in known.get(package, ())})


def _parameters(estimator: Any) -> dict[str, Any]:
    return dict(estimator.get_params()) if hasattr(estimator, "get_params") else {}
