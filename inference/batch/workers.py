"""Workers for chunks: threads that share one model; what is slow in it lets the others go on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tridock.inference.batch.chunk import Chunk
from tridock.inference.batch.scorer import Scorer, Written


class Threads:
    """A few threads, each with a chunk at a time.

    Arrow and ONNX Runtime let go of the interpreter's lock while they work, and so do the loops of
    most scikit-learn models.

    Parameters
    ----------
    scorer : Scorer
        What they do.
    workers : int
        How many of them.
    """

    def __init__(self, scorer: Scorer, workers: int) -> None:
        self.workers = workers
        self.scorer = scorer
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="batch")

    def submit(self, chunk: Chunk) -> Future[Written]:
        """See `Scoring.submit`."""
        return self._pool.submit(self.scorer.written, chunk)

    def __enter__(self) -> Threads:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for chunks that are begun, and drop the others."""
        self._pool.shutdown(cancel_futures=True)
