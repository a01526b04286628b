"""The command line of packaging: `tridock package`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import MANIFEST
from tridock.inference.errors import ArgumentError
from tridock.inference.model.formats import FORMATS, JOBLIB
from tridock.inference.packaging import model_file
from tridock.inference.packaging.package import MAX_EXAMPLES, About, package, package_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line's options for `main`."""
    add = parser.add_argument
    about = "joblib file of a fitted estimator; FILE:KEY for a part of what it holds"
    add("--model", type=Path, metavar="FILE", help=about)
    add("--sample", type=Path, metavar="FILE", help="CSV file with a header: rows it can predict")
    add("--name", required=True, help="1-63 of a-z, 0-9 and -")
    add("--version", default="1", help="up to 32 of A-Z, a-z, 0-9 and ._+- (default %(default)s)")
    add("--out", type=Path, metavar="DIR", help="bundle to write (default build/NAME/bundle)")
    add("--script", type=Path, metavar="PATH", help="your score.py, or a folder with one")
    add("--metrics", type=Path, metavar="FILE", help="JSON object of held-out measures")
    add(
        "--examples", type=int, default=MAX_EXAMPLES, metavar="N", help="rows of the sample to keep"
    )
    about = "how the estimator is stored (default %(default)s); skops loads without unpickling"
    add("--store", choices=tuple(FORMATS), default=JOBLIB.name, help=about)
    about = "modules that the model needs: a file, a package, or a folder with modules"
    add("--code", type=Path, metavar="DIR", help=about)
    about = "leave the model as it is: no ONNX graph"
    add("--no-compile", dest="compile", action="store_false", help=about)


def main(options: argparse.Namespace) -> int:
    """Package what the command line names, and report what was made."""
    about = About(
        name=options.name,
        version=options.version,
        metrics=_metrics(options.metrics) if options.metrics else {},
        script=options.script,
        examples=options.examples,
        store=options.store,
        compile=options.compile,
        code=options.code,
    )
    to = options.out or Path("build") / options.name / "bundle"
    if options.model:
        with _importable(options.code):
            estimator = model_file.read(options.model)
            made = package(estimator, _sample(options.sample), to, about=about)
    else:
        made = package_script(to, about=about)
    sys.stdout.write(f"{made.path}: {made.name} {made.version}, digest {made.digest}\n")
    sys.stdout.write(report(made))
    return 0


def report(bundle: Bundle) -> str:
    """Say in a few lines how a bundle answers: rows compared, compiled or why not, its size."""
    manifest, lines = bundle.manifest, []
    if compared := manifest.compared:
        without = f" ({compared.no_csv} not as CSV)" if compared.no_csv else ""
        lines.append(
            f"compared: {compared.rows} rows of the sample as JSON, CSV and tensors{without}: all "
            f"labels equal, largest difference {compared.largest_difference:.2g}"
        )
    if compiled := manifest.compiled:
        lines.append(f"compiled: in {compiled.precision} precision, equal on {compiled.rows} rows")
    elif manifest.model:
        reason = manifest.not_compiled or "no reason is known"
        lines.append(
            f"not compiled: {reason}. The bundle is served with {manifest.framework} itself: "
            "slower, with the same answers"
        )
    files = [bundle.path / name for name in (MANIFEST, *manifest.files)]
    lines.append(f"size: {sum(file.stat().st_size for file in files) / 1000:,.0f} kB")
    return "".join(f"  {line}\n" for line in lines)


@contextlib.contextmanager
def _importable(code: Path | None) -> Iterator[None]:
    """Put the user's modules on the import path while the model is loaded and packaged."""
    if code is None:
        yield
        return
    here = code.resolve()
    folders = [str(here.parent), *([str(here)] if here.is_dir() else [])]
    sys.path += folders
    try:
        yield
    finally:
        sys.path[:] = [path for path in sys.path if path not in folders]


def _metrics(file: Path) -> dict[str, float]:
    try:
        metrics = dict(json.loads(_existing(file, "--metrics").read_bytes()))
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{file} is not a JSON object: {error}") from error
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"{file}: {name} is {value!r}; a measure is a number")
    return metrics


def _sample(file: Path | None) -> Any:
    import pandas as pd

    if file is None:
        raise ArgumentError("--model needs --sample FILE: a CSV file with rows it can predict")
    try:
        return pd.read_csv(_existing(file, "--sample"))
    except ValueError as error:
        raise ArgumentError(f"{file} is no CSV file with a header: {error}") from error


def _existing(file: Path, option: str) -> Path:
    if not file.is_file():
        raise ArgumentError(f"{option} {file}: there is no such file")
    return file
