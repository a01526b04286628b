"""Files that hold no model of scikit-learn are named for what they are, with what to do."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import joblib
import pandas as pd
import pytest

from tests.inference.models import FITTED, X
from tridock.inference.errors import BundleError, ModelFileError
from tridock.inference.packaging import model_file

ROOT = Path(__file__).parents[2]


def zipped(*names: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return write


def holding(content: bytes) -> Callable[[Path], None]:
    return lambda file: void(file.write_bytes(content))


def folder_with(name: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.mkdir()
        (file / name).write_bytes(b"")

    return write


def void(_: object) -> None:
    return None


def old_pickle(module: str, name: str) -> bytes:
    return b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\nq\x00)\x81q\x01."


def truncated(file: Path) -> None:
    joblib.dump(FITTED, file)
    file.write_bytes(file.read_bytes()[:-200])


WEIGHTS = b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "XGBoost's JSON": (
        "m.json",
        holding(b'{"learner":{"attributes":{}}}'),
        "an XGBoost model in JSON",
    ),
    "XGBoost's UBJSON": (
        "m.ubj",
        holding(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L"),
        r"an XGBoost model \(.ubj\): it is the booster alone",
    ),
    "LightGBM's text": ("m.txt", holding(b"tree\nversion=v4\n"), "a LightGBM model in text form"),
    "CatBoost": ("m.cbm", holding(b"CBM1\x10\x00"), r"a CatBoost model \(.cbm\)"),
    "ONNX": ("m.onnx", holding(b"\x08\x08\x12\x04tool"), "an ONNX graph: package the scikit-learn"),
    "HDF5": ("m.h5", holding(b"\x89HDF\r\n\x1a\n\x00"), "a Keras or other HDF5 file"),
    "Keras": ("m.keras", zipped("config.json", "model.weights.h5"), "a Keras model"),
    "PyTorch": ("m.pt", zipped("m/data.pkl", "m/version"), "a PyTorch file"),
    "old PyTorch": (
        "m.pth",
        holding(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."),
        "a PyTorch file",
    ),
    "SavedModel": ("m", folder_with("saved_model.pb"), "a TensorFlow SavedModel"),
    "MLflow": ("m", folder_with("MLmodel"), "an MLflow model: give the model.pkl"),
    "safetensors": ("m.bin", holding(struct.pack("<Q", 40) + WEIGHTS), "a file of weights"),
    "PMML": ("m.xml", holding(b'<?xml version="1.0"?>\n<PMML version="4.4">'), "a PMML document"),
    "skops": ("m.skops", zipped("schema.json"), "a skops file: load it with skops"),
    "Git LFS": (
        "m.pkl",
        holding(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"),
        "a Git LFS pointer, not the model itself: run `git lfs pull`",
    ),
    "empty": ("m.joblib", holding(b""), "is empty: copy it again"),
    "text": ("m.pkl", holding(b"accuracy: 0.97\n"), "is text, not a stored model"),
    "noise": ("m.pkl", holding(bytes(range(255, 100, -1))), "no file that joblib or pickle wrote"),
    "truncated": ("m.joblib", truncated, "ends too early, or is damaged"),
    "Zstandard": ("m.joblib", holding(b"\x28\xb5\x2f\xfd\x00"), "compressed with Zstandard"),
    "old scikit-learn": (
        "m.pkl",
        holding(old_pickle("sklearn.ensemble.forest", "RandomForestClassifier")),
        r"older than 0\.22 \(its module sklearn\.ensemble\.forest is gone\): fit the model again",
    ),
    "an own module": (
        "m.pkl",
        holding(old_pickle("my_features", "Model")),
        "needs the module 'my_features'.*--code DIR",
    ),
    "a script's own class": (
        "m.pkl",
        holding(old_pickle("__main__", "Model")),
        "needs what the script that stored it defined itself",
    ),
    "a dict": (
        "m.pkl",
        holding(pickle.dumps({"columns": ["a"], "model": FITTED})),
        r"a dict of columns \(list\), model \(LogisticRegression\): name the part that predicts, "
        r"--model .*m\.pkl:model",
    ),
    "a tuple": (
        "m.pkl",
        holding(pickle.dumps((1, FITTED))),
        r"a tuple of 0 \(int\), 1 \(LogisticRegression\): .*m\.pkl:1",
    ),
}


def packaged(model: object, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    sample = folder / "sample.csv"
    pd.DataFrame(X).to_csv(sample, index=False)
    command = [
        "package",
        "--model",
        model,
        "--sample",
        sample,
        "--name",
        "x",
        "--out",
        folder / "o",
    ]
    return subprocess.run(
        [sys.executable, "-m", "tridock.inference", *map(str, [*command, *words])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_model_is_named(kind: str, tmp_path: Path) -> None:
    name, write, message = FILES[kind]
    write(tmp_path / name)
    with pytest.raises(ModelFileError, match=message):
        model_file.read(tmp_path / name)


@pytest.mark.parametrize("kind", ["XGBoost's UBJSON", "truncated"])
def test_the_command_ends_with_2_and_no_traceback(kind: str, tmp_path: Path) -> None:
    name, write, _ = FILES[kind]
    write(tmp_path / name)
    done = packaged(tmp_path / name, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / name} ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("compression", ["gzip", "xz", "bz2", "zlib", "lzma"])
def test_a_compressed_file_loads(compression: str, tmp_path: Path) -> None:
    joblib.dump(FITTED, tmp_path / "m", compress=(compression, 3))
    assert model_file.read(tmp_path / "m").classes_.tolist() == FITTED.classes_.tolist()


@pytest.mark.parametrize("key", ["model", "parts:0", "parts:1:best", "parts:1:best:coef_"])
def test_a_key_an_index_or_an_attribute_names_a_part(key: str, tmp_path: Path) -> None:
    file = tmp_path / "m.pkl"
    joblib.dump({"model": FITTED, "parts": [FITTED, {"best": FITTED}]}, file)
    if key.endswith("coef_"):
        with pytest.raises(BundleError, match="holds a ndarray, which has no predict"):
            model_file.read(Path(f"{file}:{key}"))
    else:
        assert model_file.read(Path(f"{file}:{key}")).classes_.tolist() == FITTED.classes_.tolist()


def test_a_part_of_a_file_is_packaged_with_a_report(tmp_path: Path) -> None:
    file = tmp_path / "m.pkl"
    joblib.dump({"model": FITTED}, file)
    done = packaged(f"{file}:model", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "o" / "manifest.json").read_text())["compared"]["rows"] == 150
    assert "compared: 150 rows of the sample as JSON, CSV and tensors: all labels" in done.stdout
    assert "compiled: in double precision" in done.stdout
    assert "size: " in done.stdout


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.pkl"
    joblib.dump({"model": FITTED}, file)
    with pytest.raises(ModelFileError, match=r"a dict of model .*, and no 'best'"):
        model_file.read(Path(f"{file}:best"))
