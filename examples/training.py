"""What the examples' `train.py` share: their options, and the line they end with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tridock import About, package
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import BundleError, TargetFolderError
from tridock.inference.packaging.sample import fingerprint


@dataclass(frozen=True)
class Trained:
    """A fitted model, what it was fitted on, and how well it does on what was held out.

    Attributes
    ----------
    model : estimator
        The fitted pipeline.
    rows : array, DataFrame or list of str
        Training rows.
    target : sequence
        Their classes.
    metrics : Mapping[str, float]
        Held-out measures.
    features : sequence of str or None
        Names of an array's columns.
    """

    model: Any
    rows: Any
    target: Any
    metrics: Mapping[str, float]
    features: Sequence[str] | None = None


def options(name: str, arguments: list[str] | None, *, C: float) -> argparse.Namespace:
    """Read the options every example has.

    Parameters
    ----------
    name : str
        The example.
    arguments : list of str or None
        The command line's words.
    C : float
        Default inverse strength of the model's regularisation, above 0; another gives another
        model, for a version 2.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tridock.examples.{name}.train")
    out = Path("build") / name / "bundle"
    parser.add_argument("--out", "--to", type=Path, default=out, metavar="DIR", help="the bundle")
    parser.add_argument("--version", default="1", help="its version (default %(default)s)")
    parser.add_argument(
        "--C",
        type=strength,
        default=C,
        help="inverse regularisation strength (default %(default)g)",
    )
    return parser.parse_args(arguments)


def finish(name: str, trained: Trained, given: argparse.Namespace) -> Bundle:
    """Package the model, print its measures and where the bundle is, and return it."""
    about = About(
        name=name,
        version=given.version,
        metrics=trained.metrics,
        training=fingerprint(trained.rows, trained.target),
        features=trained.features,
    )
    try:
        bundle = package(trained.model, trained.rows, given.out, about=about)
    except (BundleError, OSError) as error:
        raise SystemExit(_refused(error, given.out)) from error
    measures = ", ".join(f"{measure} {value:.3f}" for measure, value in trained.metrics.items())
    print(f"{name} {given.version}: {measures} on held-out rows; bundle in {given.out}")
    return bundle


def _refused(error: BundleError | OSError, out: Path) -> int:
    """Print why there is no bundle, and return the exit code."""
    reason = str(error)
    if not isinstance(error, BundleError):
        reason = (
            f"{out} cannot be written: {error.strerror or error}. Make room on its disk, or name "
            "another folder with --out"
        )
    print(f"error: {reason}", file=sys.stderr)
    return 2 if isinstance(error, TargetFolderError) else 1


def strength(text: str) -> float:
    """Read an inverse regularisation strength, a number above 0, from the command line."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
