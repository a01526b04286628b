"""A scoring script for Azure ML's batch deployments: `init()` once, `run()` for each few files.

Its deployment's own script is one line, ``from tridock.inference.batch.azure import init, run``;
the bundle
is the deployment's model. Source: Azure Machine Learning, "Author scoring scripts for batch
deployments".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tridock.inference import score
from tridock.inference.batch.files import File, Format
from tridock.inference.batch.planning import BatchOptions, names, plan
from tridock.inference.batch.reader import Reader
from tridock.inference.batch.scorer import Scorer
from tridock.inference.errors import BadRowError, BatchError
from tridock.inference.model.model import Model

#: The deployment's variables: whether to write probabilities, and the columns to carry.
PROBABILITIES = "TRIDOCK_BATCH_PROBABILITIES"
KEEP = "TRIDOCK_BATCH_KEEP"
CHUNK_ROWS = 131_072


@dataclass(frozen=True)
class MiniBatch:
    """Objects that score each mini batch.

    Attributes
    ----------
    model : Model
        The bundle's.
    probabilities : bool
        Whether they are written too.
    keep : tuple of str or None
        Columns to write beside the predictions; None for all.
    """

    model: Model
    probabilities: bool
    keep: tuple[str, ...] | None

    def lines(self, path: Path) -> Iterator[str]:
        """Yield CSV lines of a file's rows with their predictions, without a header.

        Raises
        ------
        BadRowError
            If a row does not fit: the service counts the file as failed.
        """
        output = File(Path("predictions.csv"), Format.CSV, gzipped=False)
        wish = BatchOptions((File.of(path),), output, self.probabilities, self.keep)
        made = plan(wish, self.model.signature, self.model.output)
        scorer, reader = Scorer.of(made, self.model), Reader(made, CHUNK_ROWS)
        for chunk in reader.chunks(reader.start):
            written = scorer.written(chunk)
            if written.refused:
                first = written.refused[0]
                raise BadRowError(f"{path.name}, line {first.line}: {first.reason}")
            # Not splitlines: it ends lines at characters that a cell may hold.
            if written.rows:
                yield from bytes(written.body).decode().removesuffix("\n").split("\n")


_ready: MiniBatch | None = None


def init() -> None:
    """Load the bundle that ``AZUREML_MODEL_DIR`` leads to."""
    global _ready
    score.init()
    loaded = score.loaded()
    if loaded is None or loaded.model is None or loaded.script:
        raise BatchError("the bundle has a scoring script, or no model: its own run() is wanted")
    wanted = os.environ.get(PROBABILITIES, "").lower() in ("1", "true", "yes")
    _ready = MiniBatch(loaded.model, wanted, names(os.environ.get(KEEP)))


def run(mini_batch: Sequence[str]) -> list[str]:
    """Return the lines of all rows of some files, in order, for the service to append.

    Parameters
    ----------
    mini_batch : sequence of str
        Paths of files in any form that batch reads.
    """
    if _ready is None:
        raise BatchError("run() came before init()")
    return [line for path in mini_batch for line in _ready.lines(Path(path))]
