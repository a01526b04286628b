"""The attempt to compile: of the ways to convert a model, the first that is proven wins."""

from __future__ import annotations

import contextlib
import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tridock.inference.bundle.libraries import installed
from tridock.inference.bundle.manifest import Compiled
from tridock.inference.errors import InferenceError, ScoringError
from tridock.inference.model import onnx_engine
from tridock.inference.model.model import Model
from tridock.inference.model.onnx_engine import Graph, opened
from tridock.inference.packaging.compile import conversion
from tridock.inference.packaging.compile.proof import TOLERANCE, Proof, Trial
from tridock.inference.packaging.sample import Sample

FILE = "model.onnx"
LIBRARIES = ("onnx", "onnxmltools", "onnxruntime", "skl2onnx")
#: Characters of a reason that are kept.
REASON_CHARACTERS = 300
#: How skl2onnx names the class of a step.
KIND = re.compile(r"class '([\w.]+)'")


@dataclass(frozen=True)
class Outcome:
    """Result of an attempt to compile.

    Attributes
    ----------
    content : bytes
        The graph; empty where none was proven.
    facts : Compiled or None
        What was proven of it.
    reason : str
        Why there is none.
    """

    content: bytes = b""
    facts: Compiled | None = None
    reason: str = ""


def compiled(estimator: Any, fitted: Model, sample: Sample) -> Outcome:
    """Compile a fitted model, if its answers can be proven equal.

    Parameters
    ----------
    estimator : estimator
        The fitted model.
    fitted : Model
        The same, as it answers checked rows.
    sample : Sample
        Rows that it can predict.
    """
    if missing := _missing():
        return Outcome(reason=f"{missing} is not installed here")
    try:
        trial = Trial.of(fitted, sample)
    except InferenceError as error:
        return Outcome(reason=_brief(f"the model refuses rows its signature allows: {error}"))
    reasons, unknown = list[str](), ""
    for way in conversion.ways(fitted.signature):
        try:
            with _quiet():
                return _proven(estimator, trial, way)
        except InferenceError as error:
            reasons.append(_otherwise(error, estimator))
        except Exception as error:
            # Converters raise what comes to them for models they do not know.
            unknown = unknown or _in_words(error, estimator)
    return Outcome(reason=_brief(reasons[0] if reasons else unknown))


def _proven(estimator: Any, trial: Trial, way: conversion.Way) -> Outcome:
    import onnx

    fitted = trial.fitted
    content = conversion.converted(estimator, fitted.signature, way)
    made = Graph(opened(content), fitted.signature, fitted.output, way.precision == "single")
    proof: Proof = trial.proof(made, TOLERANCE[way.precision])
    opset = {
        each.domain or "ai.onnx": each.version
        for each in onnx.load_from_string(content).opset_import
    }
    facts = Compiled(
        file=FILE,
        precision=way.precision,
        opset=opset,
        libraries=installed(LIBRARIES),
        **vars(proof),
    )
    return Outcome(content, facts)


def _in_words(error: Exception, estimator: Any) -> str:
    """Name the step that was not converted, without the converters' own terms."""
    step = _step(error) or type(conversion.final_step(estimator)).__name__
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    is_ours = frames and frames[-1].f_globals["__name__"].startswith(f"{__package__}.")
    if is_ours and isinstance(error, NotImplementedError):
        return f"{step} has no compiled form here: {error}"
    logging.getLogger(__name__).debug("%s was not converted", step, exc_info=error)
    return f"{step} with these settings has no compiled form"


def _step(error: Exception) -> str:
    """Return the class of the step at whose conversion an error was raised; empty if none was."""
    match = KIND.search(str(error))
    step = match[1].rpartition(".")[2] if match else ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        model = getattr(frame.f_locals.get("operator"), "raw_operator", None)
        step = step if model is None else type(model).__name__
    return step


def _otherwise(error: InferenceError, estimator: Any) -> str:
    steps = ", ".join(type(step).__name__ for step in _steps(estimator))
    if isinstance(error, ScoringError):
        return f"the compiled form of the model ({steps}) fails on rows that the model answers"
    return f"the compiled form of the model ({steps}) answers otherwise: {error}"


def _steps(estimator: Any) -> list[Any]:
    if not hasattr(estimator, "steps"):
        return [estimator]
    return [inner for _, step in estimator.steps for inner in _steps(step) if step is not None]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a graph that is not taken logs from the user."""
    logger = logging.getLogger(onnx_engine.__name__)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _missing() -> str:
    here = installed(LIBRARIES)
    return next((library for library in LIBRARIES if library not in here), "")


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= REASON_CHARACTERS else text[:REASON_CHARACTERS] + "..."
