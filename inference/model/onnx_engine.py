"""The compiled model as the engine: an ONNX graph, run without the library it was fitted with."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tridock.inference import cpu
from tridock.inference.data.field import Field
from tridock.inference.data.signature import OutputSignature
from tridock.inference.errors import BundleError, InvalidInputError, ScoringError
from tridock.inference.model.tfidf import Terms

if TYPE_CHECKING:
    import numpy.typing as npt

    from tridock.inference.bundle.manifest import Compiled
    from tridock.inference.data.signature import Signature
    from tridock.inference.data.table import Table
    from tridock.inference.model.model import Shares

    Array: TypeAlias = npt.NDArray[Any]
    Feeds: TypeAlias = dict[str, Array]

#: The input of a graph that takes all columns at once; otherwise each has one of its own.
ROWS = "rows"
#: Where a graph of texts keeps what is counted in them (ONNX, «ModelProto.metadata_props»).
TERMS = "tridock.terms"
#: The output of classes by number, and where the graph keeps their names: a string for each row
#: costs more than many a prediction.
CODES, CLASSES = "codes", "tridock.classes"
#: What a missing string is fed as, by its kind: ONNX has no missing strings. Graphs made before
#: that say nothing of it know `MISSING` alone.
MISSING_TEXTS: dict[str, str] = {kind: f"\0{kind}" for kind in ("nan", "none", "NA", "NaT")}
MISSING, MARKED = "nan", "tridock.missing"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Graph:
    """An ONNX graph in a session of ONNX Runtime, which is safe to run from several threads.

    Attributes
    ----------
    session : object
        An `onnxruntime.InferenceSession`.
    signature : Signature
        The rows it takes.
    output : OutputSignature
        What it answers.
    single : bool
        Whether it computes in single precision.
    largest : float or None
        Numbers beyond this are refused, as the model it was made of refuses them, or because its
        answers were not proven there.
    """

    session: Any
    signature: Signature
    output: OutputSignature
    single: bool = False
    largest: float | None = None

    @property
    def name(self) -> str:
        """Name the engine."""
        return "onnx"

    def predict(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Run the graph for one label per row, and the classes' probabilities on request.

        Raises
        ------
        InvalidInputError
            If a number is beyond `largest`.
        ScoringError
            If the graph fails.
        """
        outputs = self._found(self._outputs if probabilities else self._outputs[:1], table)
        return self._labels(outputs[0]), self._shares(outputs[1]) if probabilities else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that `codes` gives by number; empty if it cannot."""
        held = self.session.get_modelmeta().custom_metadata_map.get(CLASSES)
        return tuple(json.loads(held)) if held else ()

    def codes(self, table: Table, *, probabilities: bool) -> tuple[Array, Shares]:
        """Do as `predict` does, and return the index of each row's label in `classes`."""
        names = [CODES, *self._outputs[1:]] if probabilities else [CODES]
        outputs = self._found(names, table, self._short)
        return outputs[0].reshape(-1), self._shares(outputs[1]) if probabilities else None

    def _found(self, names: list[str], table: Table, options: Any = None) -> list[Any]:
        try:
            parts = [self._run(names, feeds, options) for feeds in self._feeds(table)]
        except InvalidInputError:
            raise
        except Exception as error:
            log.exception("the compiled model failed")
            raise ScoringError(f"the model failed: {type(error).__name__}") from error
        return parts[0] if len(parts) == 1 else list(map(_joined, zip(*parts, strict=True)))

    @cached_property
    def _run(self) -> Any:
        return self.session.run

    @cached_property
    def _short(self) -> Any:
        """Options that leave out what is not needed: here, the labels' strings."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        return options

    @cached_property
    def _outputs(self) -> list[str]:
        return [output.name for output in self.session.get_outputs() if output.name != CODES]

    @cached_property
    def _inputs(self) -> list[tuple[str, int, Field]]:
        names = {each.name for each in self.session.get_inputs()}
        fields = enumerate(self.signature.fields)
        return [(field.name, index, field) for index, field in fields if field.name in names]

    @cached_property
    def _is_matrix(self) -> bool:
        return [each.name for each in self.session.get_inputs()] == [ROWS]

    @cached_property
    def _terms(self) -> Terms | None:
        held = self.session.get_modelmeta().custom_metadata_map.get(TERMS)
        return Terms.from_json(held) if held else None

    @cached_property
    def _dtype(self) -> type[np.floating[Any]]:
        return np.float32 if self.single else np.float64

    def _feeds(self, table: Table) -> Iterable[Feeds]:
        if self._terms:
            weighed = self._terms.weights(table.texts())
            return ({ROWS: each.astype(self._dtype, copy=False)} for each in weighed)
        if self._is_matrix:
            return ({ROWS: self._numbers(table.matrix())},)
        return (self._by_column(table),)

    def _by_column(self, table: Table) -> Feeds:
        arrays = table.columns()
        return {
            name: _texts(field, arrays[index], self._missing(field))
            if field.dtype == "string"
            else self._numbers(arrays[index].reshape(-1, 1))
            for name, index, field in self._inputs
        }

    def _missing(self, field: Field) -> str:
        return MISSING_TEXTS[field.missing_value] if self._marks_kinds else MISSING

    @cached_property
    def _marks_kinds(self) -> bool:
        return MARKED in self.session.get_modelmeta().custom_metadata_map

    def _numbers(self, values: Array) -> Array:
        if values.dtype.kind == "O":
            values = values.astype(np.float64)
        if self.largest is not None and (np.abs(values) > self.largest).any():
            raise InvalidInputError(
                "the model refused these values: they contain a number beyond "
                f"{self.largest:.8g}, the largest it computes with"
            )
        return values.astype(self._dtype, copy=False)

    def _labels(self, given: Any) -> Array:
        labels = np.asarray(given)
        if not self.output.shape and labels.ndim > 1:
            labels = labels.reshape(-1)
        if self.output.dtype == "boolean":
            return labels.astype(bool)
        if self.output.dtype == "number":
            return labels.astype(np.float64, copy=False)
        return labels

    def _shares(self, given: Any) -> Shares:
        return tuple(map(np.asarray, given)) if isinstance(given, list) else np.asarray(given)


def load(file: Path, compiled: Compiled, signature: Signature, output: OutputSignature) -> Graph:
    """Open a compiled model; nothing in it is executed but ONNX's own operators.

    Raises
    ------
    BundleError
        If it does not load.
    """
    try:
        session = opened(file.read_bytes())
    except Exception as error:
        raise BundleError(f"{file.name} does not load: {error}") from error
    return Graph(
        session, signature, output, compiled.precision == "single", compiled.largest_number
    )


def opened(content: bytes) -> Any:
    """Start a session of ONNX Runtime with as many threads as there are cores, which sleep idle."""
    # Its wheels report their use to its maker unless that is switched off before the import
    # (ONNX Runtime's Privacy.md, «Disabling Telemetry»).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu.whole()
    options.inter_op_num_threads = 1
    # A thread that spins takes the core that another request needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _texts(field: Field, cells: Array, missing: str) -> Array:
    if field.nullable:
        cells = np.array([missing if type(cell) is float else cell for cell in cells], dtype=object)
    return cells.astype(object, copy=False).reshape(-1, 1)


def _joined(parts: tuple[Any, ...]) -> Any:
    if isinstance(parts[0], list):
        return [np.concatenate(each) for each in zip(*parts, strict=True)]
    return np.concatenate(parts)
