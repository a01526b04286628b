"""Packaging: from a fitted model and a sample of its input to a bundle."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tridock.inference.bundle import libraries, own_modules
from tridock.inference.bundle.bundle import Bundle, listing, replaced
from tridock.inference.bundle.manifest import MANIFEST, NAME, VERSION, Manifest, Training
from tridock.inference.errors import ArgumentError, PackagingError
from tridock.inference.model.formats import FORMATS, JOBLIB, Format
from tridock.inference.model.model import Model, jsonable
from tridock.inference.model.sklearn_engine import Estimator
from tridock.inference.packaging import compare
from tridock.inference.packaging.compile.attempt import Outcome, compiled
from tridock.inference.packaging.introspection import describe
from tridock.inference.packaging.sample import Sample
from tridock.inference.script import user_script as script

MAX_EXAMPLES = 20
UNWANTED = "it was not asked for"


@dataclass(frozen=True)
class About:
    """Facts about a model that packaging cannot find out by itself.

    Attributes
    ----------
    name : str
        1-63 of ``[a-z0-9-]``, beginning and ending with a letter or digit.
    version : str
        Up to 32 of ``[A-Za-z0-9._+-]``.
    metrics : Mapping[str, float]
        Held-out measures, e.g. ``{"accuracy": 0.97}``.
    training : Training or None
        What it was trained on; `tridock.inference.packaging.sample.fingerprint` makes one.
    features : sequence of str or None
        Names of an array's columns.
    script : Path or None
        The user's ``score.py``, or a directory with one and what it imports.
    examples : int
        Number of rows of the sample that are kept with their predictions, 0 to 20; none if rows
        are private.
    store : str
        One of `tridock.inference.model.formats.FORMATS`: ``"joblib"``, or ``"skops"`` for a file
        that loads without unpickling.
    compile : bool
        Whether to compile the model, where that is proven equal.
    code : Path or None
        The model's own modules: a file, a package's folder, or a folder with modules.
    """

    name: str
    version: str = "1"
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Training | None = None
    features: Sequence[str] | None = None
    script: Path | None = None
    examples: int = MAX_EXAMPLES
    store: str = JOBLIB.name
    compile: bool = True
    code: Path | None = None


def package(estimator: Any, sample: Any, to: Path, *, about: About) -> Bundle:
    """Make a bundle of a fitted model.

    The directory appears when it is complete, or not at all.

    Parameters
    ----------
    estimator : estimator
        Any fitted scikit-learn estimator or pipeline with ``predict``.
    sample : array, DataFrame, or a list or Series of str
        Rows it can predict, best its training data: types, ranges, categories and the baseline
        are read off it.
    to : Path
        Directory to write: absent, empty, or an older bundle, which is replaced.
    about : About
        Name, version and what else is known.

    Raises
    ------
    PackagingError
        If the model is not fitted or cannot be stored, the sample does not suit it, or a name is
        not allowed.
    ScriptError
        If the script is not one.
    BundleError
        If `to` holds something else than a bundle.
    """
    _check_about(about)
    _check_fitted(estimator)
    held = own_modules.references(estimator)
    _check_importable(held)
    read = Sample.read(estimator, sample, about.features)
    description = describe(estimator, read, examples=about.examples)
    signature, output = description.signature, description.output
    fitted = Model(Estimator(estimator, signature.fields), signature, output)
    with replaced(to) as folder:
        model, trusted = _stored(estimator, folder, FORMATS[about.store])
        outcome = compiled(estimator, fitted, read) if about.compile else Outcome(reason=UNWANTED)
        if outcome.facts:
            (folder / outcome.facts.file).write_bytes(outcome.content)
        code = own_modules.place(about.code, own_modules.own(held), folder)
        manifest = Manifest(
            **_facts(about, folder),
            **vars(description),
            code=code,
            framework="scikit-learn",
            model=model,
            trusted=trusted,
            compiled=outcome.facts,
            not_compiled=outcome.reason,
        )
        _write(manifest, folder)
        if code:
            own_modules.check_alone(folder)
        compared = compare.compare(Bundle.read(folder), fitted, read)
        _write(replace(manifest, compared=compared), folder)
    return Bundle.read(to)


def package_script(to: Path, *, about: About) -> Bundle:
    """Make a bundle of a scoring script alone.

    Parameters
    ----------
    to : Path
        Directory to write, as for `package`.
    about : About
        Its `script` is needed.

    Raises
    ------
    BundleError
        As for `package`.
    """
    _check_about(about)
    if about.script is None:
        raise ArgumentError("neither a model nor a script was given: a bundle needs one of them")
    with replaced(to) as folder:
        manifest = Manifest(**_facts(about, folder), libraries=libraries.installed(("python",)))
        _write(manifest, folder)
    return Bundle.read(to)


def _write(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _facts(about: About, folder: Path) -> dict[str, Any]:
    """Put the script beside the model, and return what is known without asking the model."""
    placed = _place_script(about.script, folder) if about.script else None
    return {
        "name": about.name,
        "version": about.version,
        "metrics": {name: jsonable([value])[0] for name, value in about.metrics.items()},
        "training": about.training,
        "created": _created(),
        "commit": _commit(),
        "script": placed,
        "files": listing(folder),
    }


def _check_about(about: About) -> None:
    if not NAME.fullmatch(about.name):
        raise ArgumentError(
            f"the name {about.name!r} is not allowed: 1 to 63 of a-z, 0-9 and -, beginning and "
            "ending with a letter or digit"
        )
    if not VERSION.fullmatch(about.version):
        raise ArgumentError(
            f"the version {about.version!r} is not allowed: 1 to 32 of A-Z, a-z, 0-9 and ._+-, "
            "beginning with a letter or digit"
        )
    if about.store not in FORMATS:
        raise ArgumentError(f"store is {about.store!r}: give one of {', '.join(FORMATS)}")
    if not 0 <= about.examples <= MAX_EXAMPLES:
        raise ArgumentError(f"{about.examples} examples: keep 0 to {MAX_EXAMPLES}")


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    kind = type(estimator).__name__
    if isinstance(estimator, type) or not callable(getattr(estimator, "predict", None)):
        raise PackagingError(f"a {kind} cannot be packaged: it has no predict to call")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise PackagingError(f"this {kind} is not fitted: call fit before packaging") from error
    except TypeError:  # No scikit-learn estimator: predicting the sample will tell.
        return


def _stored(estimator: Any, folder: Path, form: Format) -> tuple[str, tuple[str, ...]]:
    """Store the estimator, load it again, and return its file and the types that it trusts."""
    file = folder / form.file
    trusted = form.storage.store(estimator, file)
    form.storage.load(file, trusted)
    return form.file, trusted


def _check_importable(references: set[tuple[str, str]]) -> None:
    for module, name in sorted(references):
        if module == "__main__":
            raise PackagingError(
                f"{name} is defined in the script that runs: the server cannot import it from "
                "there. Put it into a module of its own, and package that with --code"
            )


def _place_script(source: Path, folder: Path) -> str:
    """Copy a script, or a folder of code, into the bundle, and return its path there."""
    if source.is_dir():
        script.check(source / "score.py")
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(source, folder / "code", ignore=ignored)
        return "code/score.py"
    script.check(source)
    shutil.copyfile(source, folder / "score.py")
    return "score.py"


def _created() -> str:
    """Return the time, or the one that reproducible builds name (SOURCE_DATE_EPOCH, «Specs»)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        when = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else None
    except (ValueError, OverflowError, OSError) as error:
        raise ArgumentError(f"SOURCE_DATE_EPOCH is {epoch!r}: give seconds since 1970") from error
    return (when or datetime.datetime.now(datetime.UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
