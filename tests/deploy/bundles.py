"""Bundles to release: good ones, and one for each way of being bad."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import MANIFEST, Example, Manifest, Training
from tridock.inference.packaging.package import About, package, package_script

CRASHING = """\
def init():
    raise RuntimeError("the weights are gone")


def run(data):
    return []
"""

SCRIPTED = """\
import json
import os
import time

import joblib

EVERY, MILLISECONDS, FLIP, STUCK = {every}, {milliseconds}, {flip}, {stuck}
asked = 0


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))


def run(data):
    global asked
    asked += 1
    time.sleep(MILLISECONDS / 1000)
    if EVERY and asked % EVERY == 0:
        raise RuntimeError("the weights are bad")
    told = json.loads(data)
    rows = told.get("instances") or [told["features"]]
    found = model.predict(rows).tolist()
    kinds = model.classes_.tolist()
    if FLIP:
        found = [kinds[(kinds.index(one) + 1) % len(kinds)] for one in found]
    if STUCK:
        found = [kinds[0] for one in found]
    return {{"predictions": found}} if "instances" in told else {{"prediction": found[0]}}
"""


@dataclass(frozen=True)
class Badness:
    """How a scripted model is bad: fails each `every`th request, is slow, flips predictions.

    One that is stuck predicts the same for everything.
    """

    every: int = 0
    milliseconds: float = 0.0
    flip: bool = False
    stuck: bool = False


def good(to: Path, version: str, *, compiled: bool = True) -> Bundle:
    """A classifier of iris; each version is another model."""
    data = load_iris()
    model = LogisticRegression(C=1 / (1 + float(version)), max_iter=500)
    fitted = model.fit(data.data, data.target_names[data.target])
    about = About("iris", version, examples=5, compile=compiled)
    return package(fitted, data.data, to, about=about)


def measured(to: Path, name: str, version: str, *, accuracy: float = 0.97) -> Bundle:
    """One that tells its metrics and what it was trained on, and is soon made."""
    data = load_iris()
    model = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
    trained = Training("ab" * 32, len(data.data))
    told = {"accuracy": accuracy, "macro_f1": accuracy - 0.01}
    about = About(name, version, metrics=told, training=trained, examples=5, compile=False)
    return package(model, data.data, to, about=about)


def lying(to: Path, version: str) -> Bundle:
    """One that answers something else than its manifest says."""
    bundle = good(to, version)
    examples = tuple(Example(each.input, "rose") for each in bundle.manifest.examples)
    return _rewritten(bundle, replace(bundle.manifest, examples=examples))


def foreign(to: Path, version: str) -> Bundle:
    """One that was trained with another scikit-learn, and needs it."""
    bundle = good(to, version, compiled=False)
    libraries = {**bundle.manifest.libraries, "scikit-learn": "0.24.2"}
    return _rewritten(bundle, replace(bundle.manifest, libraries=libraries))


def crashing(to: Path, version: str) -> Bundle:
    """One whose script fails in `init`."""
    script = to.with_name(f"{to.name}-script") / "score.py"
    script.parent.mkdir(parents=True)
    script.write_text(CRASHING)
    return package_script(to, about=About("iris", version, script=script))


def scripted(to: Path, version: str, badness: Badness) -> Bundle:
    """One with a script before its model; its manifest promises the model's own answers."""
    script = to.with_name(f"{to.name}-script") / "score.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPTED.format(**vars(badness)))
    data = load_iris()
    fitted = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
    about = About("iris", version, examples=5, script=script, compile=False)
    return package(fitted, data.data, to, about=about)


def stuck(to: Path, version: str) -> Bundle:
    """One without a script that predicts the same for everything; its baseline is a good one's."""
    data = load_iris()
    fitted = LogisticRegression(max_iter=500).fit(data.data, data.target_names[data.target])
    about = About("iris", version, examples=5, compile=False)
    baseline = package(fitted, data.data, to, about=about).manifest.baseline
    shutil.rmtree(to)
    fitted.intercept_[0] += 1000
    bundle = package(fitted, data.data, to, about=about)
    return _rewritten(bundle, replace(bundle.manifest, baseline=baseline))


def tampered(to: Path, version: str) -> Path:
    """One of whose bytes was changed after packaging."""
    model = good(to, version).path / "model.joblib"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    return to


def _rewritten(bundle: Bundle, manifest: Manifest) -> Bundle:
    (bundle.path / MANIFEST).write_text(manifest.to_json())
    return Bundle.read(bundle.path)
