"""The door's command: `tridock batch IN… OUT`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from tridock.inference.errors import (
    BadRowError,
    BatchError,
    BundleError,
    BundleMissingError,
    InferenceError,
)
from tridock.inference.plaintext import lines

if TYPE_CHECKING:
    from tridock.inference.batch.job import Job
    from tridock.inference.batch.journal import Mark
    from tridock.inference.batch.plan import Plan
    from tridock.inference.batch.planning import BatchOptions
    from tridock.inference.bundle.bundle import Bundle
    from tridock.inference.model.model import Model
    from tridock.inference.score import Loaded

#: Rows at a time; the fewest that keep a Parquet file's row groups of a good size.
CHUNK_ROWS = 131_072
#: How to get what is missing.
HOW = {"ray": "`make .venvs/ray/ready` makes an environment with it, from tests/ray/ray.lock"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        type=Path,
        metavar="IN",
        help=".csv, .jsonl or .ndjson (.gz may follow), .parquet; or a folder of them",
    )
    add("output", type=Path, metavar="OUT", help="file to write; its suffix says in which form")
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle directory (default: /opt/ml/model, $AIP_STORAGE_URI, $AZUREML_MODEL_DIR)",
    )
    add("--probabilities", action="store_true", help="write each class's probability too")
    add("--keep", metavar="NAMES", help='columns to write beside the prediction (default: all; "")')
    add(
        "--errors",
        type=Path,
        metavar="FILE",
        help="write rows that do not fit to this .jsonl, and go on (default: stop at the first)",
    )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--chunk", type=_count, default=CHUNK_ROWS, metavar="ROWS", help="at a time (%(default)s)")
    add("--workers", type=_count, metavar="N", help="at the same time (default: one a core)")
    add("--restart", action="store_true", help="forget an unfinished job of this output")
    add("--overwrite", action="store_true", help="replace the output if it exists")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: each input file on whatever machine of a Ray cluster ($RAY_ADDRESS) is free",
    )
    add("--json", action="store_true", help="for machines")


def main(options: argparse.Namespace) -> int:
    """Run the command: 0 done, 1 failed, 2 usage."""
    try:
        began = time.monotonic()
        mark = _run(options)
    except BundleMissingError as error:
        return _failed(error, 2)
    except (BadRowError, BundleError) as error:
        return _failed(error, 1)
    except BatchError as error:
        return _failed(error, 2)
    except InferenceError as error:
        return _failed(error, 1)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        how = HOW.get(missing, f"pip install {missing}")
        return _failed(BatchError(f"batch needs {missing}, which is not installed here: {how}"), 2)
    except KeyboardInterrupt:
        return _failed(BatchError("stopped: the same command goes on from here"), 1)
    _tell(options, mark, time.monotonic() - began)
    return 0


def _run(options: argparse.Namespace) -> Mark:
    from tridock.inference.batch import journal
    from tridock.inference.batch.job import Job
    from tridock.inference.batch.planning import partial, plan
    from tridock.inference.batch.reader import Reader

    wish = _wish(options)
    if options.restart:
        journal.discard(partial(options.output))
    _check_places(options, wish)
    loaded = _loaded(options)
    model = _model(loaded)
    made = plan(wish, model.signature, model.output)
    if options.engine == "ray":
        return _spread(options, made, loaded.bundle)
    reader = Reader(made, options.chunk)
    job = Job(made, reader, loaded.bundle.digest, model.engine, options.errors)
    return _local(job, model, options.workers)


def _spread(options: argparse.Namespace, made: Plan, bundle: Bundle) -> Mark:
    from tridock.inference.batch import raydata

    path = bundle.path.resolve()
    spread = raydata.Spread(made, path, options.chunk, bool(options.errors))
    return raydata.run(spread, bundle.digest, options.errors, options.workers)


def _wish(options: argparse.Namespace) -> BatchOptions:
    from tridock.inference.batch import files
    from tridock.inference.batch.planning import BatchOptions, names

    return BatchOptions(
        files.inputs(options.inputs),
        files.File.of(options.output),
        options.probabilities,
        names(options.keep),
    )


def _check_places(options: argparse.Namespace, wish: BatchOptions) -> None:
    from tridock.inference.batch.planning import partial

    taken = [file.path.resolve() for file in wish.inputs]
    for place in filter(None, (options.output, options.errors)):
        if place.resolve() in taken:
            raise BatchError(f"{place} would be written and is used already: choose another")
        taken.append(place.resolve())
        if place.exists() and not (partial(options.output).exists() or options.overwrite):
            raise BatchError(f"{place} exists already: remove it, or add --overwrite")
        place.parent.mkdir(parents=True, exist_ok=True)


def _loaded(options: argparse.Namespace) -> Loaded:
    from tridock.inference import score

    score.init(options.bundle)
    loaded = score.loaded()
    if loaded is None:
        raise BundleError("the bundle did not load")
    return loaded


def _model(loaded: Loaded) -> Model:
    if loaded.model is None or loaded.script:
        raise BatchError("the bundle has a scoring script: batch predicts with a model only")
    return loaded.model


def _local(job: Job, model: Model, workers: int | None) -> Mark:
    from tridock.inference import cpu
    from tridock.inference.batch.bar import progress
    from tridock.inference.batch.scorer import Scorer, Threads

    if model.engine == "onnx":
        _without_pandas()
    scorer = Scorer.of(job.plan, model)
    with Threads(scorer, workers or cpu.whole()) as scoring, progress() as shown:
        return job.run(scoring, shown)


def _without_pandas() -> None:
    """Let Arrow settle, at its first array, that there is no pandas: it takes long to import.

    Arrow looks for it once, to recognise a Series, and no compiled model needs one.
    """
    import pyarrow as pa

    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """See `importlib.abc.MetaPathFinder.find_spec`."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not wanted here", name=fullname)


def _tell(options: argparse.Namespace, mark: Mark, seconds: float) -> None:
    summary = {"rows": mark.rows, "refused": mark.refused, "seconds": round(seconds, 3)}
    if options.json:
        sys.stdout.write(json.dumps(summary | {"output": str(options.output)}) + "\n")
        return
    bad = f", {mark.refused:,} refused (see {options.errors})" if mark.refused else ""
    sys.stdout.write(f"{options.output}: {mark.rows:,} rows{bad}, in {seconds:.1f} s\n")


def _failed(error: Exception, code: int) -> int:
    sys.stderr.write(lines(f"error: {error}") + "\n")
    return code


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
