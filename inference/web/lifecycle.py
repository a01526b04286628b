"""The life of one model server: loading, ready, draining."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from tridock.inference import score
from tridock.inference.errors import BundleError, NotReadyError
from tridock.inference.model.model import Model
from tridock.inference.monitoring.prediction_counts import PredictionCounts
from tridock.inference.scheduling.batched_model import BatchedModel

log = logging.getLogger(__name__)


class Lifecycle:
    """State of a model server between its start and its end. Safe to read from any thread.

    Attributes
    ----------
    is_draining : bool
        True if the server has to end.
    """

    def __init__(self) -> None:
        self.is_draining = False
        self._failure = ""
        self._batched: tuple[score.Loaded, BatchedModel] | None = None
        self._counted: tuple[score.Loaded, PredictionCounts] | None = None

    def drain(self) -> None:
        """Say that the server is going to end: not ready from now on."""
        self.is_draining = True

    def load(self, bundle: Path | None, failed: Callable[[str], None]) -> threading.Thread:
        """Load the model in the background.

        Parameters
        ----------
        bundle : Path or None
            Bundle directory; None leaves the choice to `tridock.inference.score.init`.
        failed : callable
            Called in the background with the reason, if it cannot be loaded.

        Returns
        -------
        Thread
            Ends when the model is loaded.
        """
        arguments = (bundle, failed)
        thread = threading.Thread(target=self._load, args=arguments, daemon=True, name="load")
        thread.start()
        return thread

    def problem(self) -> str:
        """Say why requests are not wanted now; empty when the server is ready."""
        if self.is_draining:
            return "the server is ending: it takes no new work"
        return "" if score.loaded() else self._unloaded()

    def loaded(self) -> score.Loaded:
        """Return what answers requests, draining or not.

        Raises
        ------
        NotReadyError
            If it is not loaded yet, or cannot be.
        """
        loaded = score.loaded()
        if loaded is None:
            raise NotReadyError(self._unloaded())
        return loaded

    def ready_model(self) -> BatchedModel | None:
        """Return the batched model, or None: no model is ready, or a script answers."""
        loaded = score.loaded()
        if loaded is None or loaded.model is None or loaded.script or self.is_draining:
            return None
        batched = self._batched
        return batched[1] if batched and batched[0] is loaded else self.batched_model(loaded)

    def batched_model(self, loaded: score.Loaded) -> BatchedModel:
        """Return the model that predicts the rows of many callers at once.

        Raises
        ------
        ScoringError
            If the bundle has no model.
        """
        if self._batched is None or self._batched[0] is not loaded:
            self._batched = loaded, _batched(loaded, self.prediction_counts(loaded))
        return self._batched[1]

    def prediction_counts(self, loaded: score.Loaded) -> PredictionCounts:
        """Return what counts the answers."""
        if self._counted is None or self._counted[0] is not loaded:
            manifest = loaded.bundle.manifest
            baselines = manifest.baseline.predictions if manifest.baseline else ()
            self._counted = loaded, PredictionCounts(baselines[0] if len(baselines) == 1 else None)
        return self._counted[1]

    def counted(self) -> tuple[PredictionCounts, Model | None] | None:
        """Return what counts the answers, and the model that gives them, if no script does.

        None before the first request.
        """
        return (self._counted[1], self._counted[0].model) if self._counted else None

    def _unloaded(self) -> str:
        return self._failure or "the model is not loaded yet: try again in a moment"

    def _load(self, bundle: Path | None, failed: Callable[[str], None]) -> None:
        try:
            score.init(bundle)
        except BundleError as error:
            self._failure = f"the model cannot be loaded: {error}"
        except Exception as error:  # a thread's edge: after any error the server must not stay
            log.exception("loading the model failed")
            self._failure = f"the model cannot be loaded: {type(error).__name__}: {error}"
        if self._failure:
            failed(self._failure)


def _batched(loaded: score.Loaded, prediction_counts: PredictionCounts) -> BatchedModel:
    model = loaded.required_model()
    if loaded.script:  # which answers all requests but those for the model itself
        return BatchedModel(model, prediction_counts=prediction_counts)
    examples = [example.input for example in loaded.bundle.manifest.examples]
    return BatchedModel.of(model, examples, prediction_counts)
