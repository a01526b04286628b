"""The file that a model is packaged from: what it is, and the part of it that predicts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tridock.inference.errors import BundleError, ModelFileError, VersionError
from tridock.inference.model.sklearn_engine import brief, checked, raised

#: Bytes at the start that identify a file's format.
HEAD = 4096
#: Names of old modules: scikit-learn 0.22 moved them (its release notes, «Deprecations»).
OLD_MODULES = (
    "sklearn.ensemble.forest",
    "sklearn.ensemble.gradient_boosting",
    "sklearn.ensemble.bagging",
    "sklearn.ensemble.weight_boosting",
    "sklearn.ensemble.voting_classifier",
    "sklearn.externals",
    "sklearn.linear_model.logistic",
    "sklearn.linear_model.base",
    "sklearn.linear_model.stochastic_gradient",
    "sklearn.linear_model.coordinate_descent",
    "sklearn.linear_model.ridge",
    "sklearn.naive_bayes.base",
    "sklearn.neighbors.classification",
    "sklearn.neighbors.regression",
    "sklearn.neural_network.multilayer_perceptron",
    "sklearn.preprocessing.data",
    "sklearn.preprocessing.imputation",
    "sklearn.preprocessing.label",
    "sklearn.svm.classes",
    "sklearn.tree.tree",
    "sklearn.cluster.k_means_",
    "sklearn.decomposition.pca",
    "sklearn.feature_extraction.stop_words",
    "sklearn.feature_selection.base",
)
SCRIPT = "serve it with a script of your own (package --script score.py)"
BOOSTER = (
    "it is the booster alone: load it into {} (load_model), and store that with joblib.dump, "
    "which keeps the classes and the columns' names"
)
#: What a file is by its first bytes, and what to do today.
BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "a Keras or other HDF5 file", SCRIPT),
    (b"CBM1", "a CatBoost model (.cbm)", BOOSTER.format("CatBoostClassifier or CatBoostRegressor")),
    (b"tree\nversion=", "a LightGBM model in text form", SCRIPT),
    (b'{"learner"', "an XGBoost model in JSON", BOOSTER.format("XGBClassifier or XGBRegressor")),
    (
        b"binf",
        "an XGBoost model in its old binary form",
        BOOSTER.format("the XGBoost that wrote it"),
    ),
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "run `git lfs pull`"),
    (b"GGUF", "a GGUF language model", "this kit serves scikit-learn models"),
    (b"PAR1", "a Parquet file, which holds data", "give the file that joblib.dump wrote"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch file (.pt)", SCRIPT),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "decompress it first: `zstd -d`"),
    (b"RDX", "an R workspace", "this kit serves scikit-learn models"),
    (b"\x93NUMPY", "a NumPy array", "give the file that joblib.dump wrote"),
)
#: What a file is by its name, where its first bytes are common to others.
NAMES = {
    ".onnx": (
        "an ONNX graph",
        "package the scikit-learn model it was converted from: this kit "
        "compiles it itself, and proves it equal",
    ),
    ".pb": ("a TensorFlow graph", SCRIPT),
    ".tflite": ("a TensorFlow Lite model", SCRIPT),
    ".safetensors": ("a file of weights (safetensors)", SCRIPT),
    ".pmml": ("a PMML document", "package the scikit-learn model it was converted from"),
    ".rds": ("an R object", "this kit serves scikit-learn models"),
    ".mlmodel": ("a Core ML model", "package the model it was converted from"),
}
#: What a ZIP archive is by a name in it.
ENTRIES = (
    ("data.pkl", "a PyTorch file (.pt)", SCRIPT),
    ("model.weights.h5", "a Keras model (.keras)", SCRIPT),
    (
        "schema.json",
        "a skops file",
        "load it with skops.io.load, store it with joblib.dump, and package it with --store skops",
    ),
    (".npy", "NumPy arrays (.npz)", "give the file that joblib.dump wrote"),
)
#: What a folder is by a file in it.
FOLDERS = (
    ("saved_model.pb", "a TensorFlow SavedModel", SCRIPT),
    ("MLmodel", "an MLflow model", "give the model.pkl or model.skops in it"),
    ("manifest.json", "a bundle already", "serve or release it as it is"),
    ("config.json", "a model of Hugging Face", SCRIPT),
)


def read(named: Path) -> Any:
    """Load the fitted estimator that ``--model FILE`` or ``--model FILE:KEY`` names.

    Parameters
    ----------
    named : Path
        A joblib or pickle file; after a colon, the key, index or attribute of the part that
        predicts, and so on.

    Raises
    ------
    ModelFileError
        If it is not such a file; the message says what it is and what to do.
    """
    file, keys = _split(named)
    if not file.exists():
        raise ModelFileError(f"--model {file}: there is no such file")
    if reason := _stranger(file):
        raise ModelFileError(f"{file} is {reason}")
    held = _loaded(file)
    for key in keys:
        held = _part(file, held, key)
    if _parts(held) and not callable(getattr(held, "predict", None)):
        raise ModelFileError(f"{file} holds {_contents(held)}: {_way_out(file, held)}")
    return checked(file, held)


def _loaded(file: Path) -> Any:
    try:
        with raised(file):
            import joblib

            return joblib.load(file)
    except VersionError:
        raise
    except BundleError as error:
        raise ModelFileError(_reason(file, error)) from error


def _reason(file: Path, error: BundleError) -> str:
    """Say why a file does not load, by the error that its loading ended with."""
    cause = error.__cause__
    name = getattr(cause, "name", None) or ""
    if isinstance(cause, ModuleNotFoundError):
        if name.startswith(OLD_MODULES):
            return (
                f"{file} was stored by a scikit-learn older than 0.22 (its module {name} is gone): "
                "fit the model again with today's version"
            )
        return f"{error}. If the module is your own, name its folder: --code DIR"
    text = str(cause)
    if isinstance(cause, AttributeError) and "__main__" in text:
        return (
            f"{file} needs what the script that stored it defined itself ({text}): put that into a "
            "module of its own, store the model again, and give the module with --code"
        )
    if "incompatible dtype" in text:
        return f"{file} was stored by a scikit-learn older than this one: fit the model again"
    if isinstance(cause, EOFError | OSError) or "truncated" in text or "EOF" in text:
        return f"{file} ends too early, or is damaged: copy it again ({brief(cause or error)})"
    return f"{file} is no file that joblib or pickle wrote: {brief(cause or error)}"


def _split(named: Path) -> tuple[Path, list[str]]:
    """Take the keys off a name, unless a file has just this name."""
    if named.exists():
        return named, []
    file, *keys = str(named).split(":")
    return Path(file), keys


def _stranger(file: Path) -> str:
    """Say what a file is that no model of scikit-learn comes in; empty if it may hold one."""
    if file.is_dir():
        known = next((folder for folder in FOLDERS if (file / folder[0]).exists()), None)
        return f"{known[1]}: {known[2]}" if known else "a folder: give the file of the model"
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    if not head:
        return "empty: copy it again, or store the model again"
    for beginning, what, advice in BEGINNINGS:
        if head.startswith(beginning):
            return f"{what}: {advice}"
    known = _inside(file, head)
    return f"{known[1]}: {known[2]}" if known else ""


def _inside(file: Path, head: bytes) -> tuple[str, str, str] | None:
    suffix = file.suffix.lower()
    if suffix in NAMES:
        return suffix, *NAMES[suffix]
    if head.startswith(b"PK") and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        known = (entry for entry in ENTRIES if any(name.endswith(entry[0]) for name in names))
        return next(known, ("", "a ZIP archive", "give the file that joblib.dump wrote"))
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < file.stat().st_size:
        return suffix, *NAMES[".safetensors"]
    if head[:1] == b"{" and b"learner" in head[:64]:
        return "", "an XGBoost model (.ubj)", BOOSTER.format("XGBClassifier or XGBRegressor")
    if b"<PMML" in head:
        return suffix, *NAMES[".pmml"]
    if head[4:8] == b"TFL3":
        return suffix, *NAMES[".tflite"]
    return (
        ("", "text, not a stored model", "give the file that joblib.dump wrote")
        if _is_text(head)
        else None
    )


def _is_text(head: bytes) -> bool:
    """Tell text from a pickle, of which even the oldest protocol ends in a dot."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return False
    return all(sign.isprintable() or sign in "\r\n\t" for sign in text) and not text.startswith(
        ("ccopy_reg", "c", "(")
    )


def _part(file: Path, held: Any, key: str) -> Any:
    parts = _parts(held)
    if key in parts:
        return parts[key]
    if hasattr(held, key):
        return getattr(held, key)
    raise ModelFileError(f"{file} holds {_contents(held)}, and no {key!r}")


def _parts(held: Any) -> dict[str, Any]:
    """Return what a dict or a sequence holds, by key or index."""
    if isinstance(held, dict):
        return {str(key): value for key, value in held.items()}
    if isinstance(held, list | tuple):
        return {str(index): value for index, value in enumerate(held)}
    return {}


def _contents(held: Any) -> str:
    parts = _parts(held)
    listed = _few(f"{key} ({type(value).__name__})" for key, value in parts.items())
    return f"a {type(held).__name__} of {listed}" if parts else f"a {type(held).__name__}"


def _way_out(file: Path, held: Any) -> str:
    able = [key for key, value in _parts(held).items() if callable(getattr(value, "predict", None))]
    if not able:
        return "none of these has predict. Store the fitted model itself with joblib.dump"
    return f"name the part that predicts, --model {file}:{able[0]}"


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:10]) + (" …" if len(listed) > 10 else "")
