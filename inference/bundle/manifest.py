"""The manifest: all that is known about a model, beside it in its bundle."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any

from tridock.inference.bundle.baseline import Baseline
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import BundleError, TamperedError, VersionError

#: Raised when a reader of today could misread a bundle of tomorrow.
FORMAT = 1
MANIFEST = "manifest.json"
#: What the three clouds all take as a name.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")


#: Keys that not every manifest has.
_LATER = ("compiled", "not_compiled", "trusted", "code", "compared")


@dataclass(frozen=True)
class Training:
    """Data that a model was trained on.

    Attributes
    ----------
    digest : str
        Hex SHA-256 of the training data.
    rows : int
        Number of its rows.
    """

    digest: str
    rows: int


@dataclass(frozen=True)
class Example:
    """One input row and what the model answered at packaging time."""

    input: Any
    prediction: Any


@dataclass(frozen=True)
class Compiled:
    """Proof of a compiled model, which answers without the library it was fitted with.

    Attributes
    ----------
    file : str
        Relative path of the ONNX graph.
    precision : str
        What it computes in: ``"double"``, ``"single"``, or ``"mixed"`` where the model itself
        rounds between its steps.
    opset : Mapping[str, int]
        Version of each domain of its operators.
    rows : int
        Number of rows that were answered as the fitted model answers them: labels identical.
    tolerance : float
        Allowed difference of a probability, or of a number relative to itself or to the spread
        of predictions, whichever is larger.
    largest_difference : float
        Found difference.
    largest_number : float or None
        Numbers beyond this are refused; None: none is.
    libraries : Mapping[str, str]
        Versions of those that converted and ran it.
    """

    file: str
    precision: str
    opset: Mapping[str, int]
    rows: int
    tolerance: float
    largest_difference: float
    largest_number: float | None
    libraries: Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """Rows of the sample that the bundle answered as the fitted model does, labels identical.

    Each was sent as JSON, as CSV and as tensors, to the compiled model and to the stored one.

    Attributes
    ----------
    rows : int
        Number of rows.
    no_csv : int
        Of these, rows that were not sent as CSV: it cannot tell an empty text from a missing one.
    largest_difference : float
        Of a probability, or of a number relative to itself or to the spread of predictions.
    """

    rows: int
    no_csv: int
    largest_difference: float


@dataclass(frozen=True)
class Manifest:
    """A bundle's contents, in words and numbers.

    Attributes
    ----------
    name : str
        1-63 of ``[a-z0-9-]``, beginning and ending with a letter or digit.
    version : str
        Up to 32 of ``[A-Za-z0-9._+-]``.
    created : str
        UTC time of packaging, ISO 8601 to the second.
    libraries : Mapping[str, str]
        Exact version of each library the model was fitted with, ``python`` among them.
    files : Mapping[str, str]
        Relative path to hex SHA-256, of every file but the manifest.
    framework : str
        ``"scikit-learn"``, or empty where there is only a script.
    model, script : str or None
        Relative paths of the model file and of the user's scoring script.
    signature : Signature or None
        None where there is only a script.
    output : OutputSignature or None
        None where there is only a script.
    commit : str or None
        Source commit, ``-dirty`` at its end if files had changed; None where git was absent.
    metrics : Mapping[str, float]
        Held-out measures by name.
    training : Training or None
        The data it was trained on, if that is known.
    baseline : Baseline or None
        Statistics of the sample; None where there is only a script.
    examples : tuple of Example
        A few rows with the predictions the packaged model gave.
    compiled : Compiled or None
        What was proven of the compiled model, if there is one.
    not_compiled : str
        Why there is none, in words.
    trusted : tuple of str
        Types that a file stored by skops needs beyond those that skops knows.
    code : str or None
        Relative path of the folder with the model's own modules, which the server imports from.
    compared : Compared or None
        How many rows of the sample the bundle answered as the fitted model did.
    """

    name: str
    version: str
    created: str
    libraries: Mapping[str, str]
    files: Mapping[str, str]
    framework: str = ""
    model: str | None = None
    script: str | None = None
    signature: Signature | None = None
    output: OutputSignature | None = None
    commit: str | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    training: Training | None = None
    baseline: Baseline | None = None
    examples: tuple[Example, ...] = ()
    compiled: Compiled | None = None
    not_compiled: str = ""
    trusted: tuple[str, ...] = ()
    code: str | None = None
    compared: Compared | None = None

    @property
    def digest(self) -> str:
        """Hex SHA-256 over all of it, files' digests included: the bundle's identity."""
        return hashlib.sha256(_render(self._record()).encode()).hexdigest()

    def to_json(self) -> str:
        """Write it as the text of ``manifest.json``, which holds its own digest."""
        return _render({**self._record(), "digest": self.digest})

    def _record(self) -> dict[str, Any]:
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        # What is absent is left out: manifests of before keep their digest.
        for name in _LATER:
            if not record[name]:
                del record[name]
        if self.compiled:
            record["compiled"] = vars(self.compiled)
        if self.compared:
            record["compared"] = vars(self.compared)
        return {
            **record,
            "format": FORMAT,
            "libraries": dict(self.libraries),
            "files": dict(self.files),
            "metrics": dict(self.metrics),
            "baseline": self.baseline and self.baseline.record(),
            "signature": self.signature and self.signature.record(),
            "output": self.output and self.output.record(),
            "training": self.training and vars(self.training),
            "examples": [vars(example) for example in self.examples],
        }

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read the text of ``manifest.json``.

        Raises
        ------
        VersionError
            If its format number is not ours.
        TamperedError
            If it does not bear out its own digest.
        BundleError
            If it is not a manifest.
        """
        manifest = cls._parse(text)
        if manifest.to_json() != text:
            raise TamperedError(
                f"{MANIFEST} changed after packaging: its digest does not fit. Package again."
            )
        return manifest

    @classmethod
    def _parse(cls, text: str) -> Manifest:
        record = _object(text)
        given = record.pop("format", None)
        if given != FORMAT:
            raise VersionError(
                f"{MANIFEST} has format {given!r} and this program reads {FORMAT}: "
                "package the model again with this version, or serve it with the one that wrote it"
            )
        record.pop("digest", None)
        try:
            return cls(**_decoded(record))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{MANIFEST} is not as format {FORMAT} has it: {error}") from error


def _object(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{MANIFEST} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise BundleError(f"{MANIFEST} is not a JSON object: package the model again")
    return record


def _render(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _decoded(record: dict[str, Any]) -> dict[str, Any]:
    for key, pattern in (("name", NAME), ("version", VERSION)):
        if not pattern.fullmatch(record[key]):
            raise ValueError(f"{key} {record[key]!r} is none: {pattern.pattern} was expected")
    for file in record["files"]:
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise ValueError(f"file {file!r} lies outside of the bundle")
    signature, output, training = (record[key] for key in ("signature", "output", "training"))
    return {
        **record,
        "signature": signature and Signature.from_record(signature),
        "output": output and OutputSignature.from_record(output),
        "training": training and Training(**training),
        "baseline": record["baseline"] and Baseline.from_record(record["baseline"]),
        "examples": tuple(Example(**example) for example in record["examples"]),
        "compiled": Compiled(**record["compiled"]) if "compiled" in record else None,
        "trusted": tuple(record.get("trusted", ())),
        "compared": Compared(**record["compared"]) if "compared" in record else None,
    }
