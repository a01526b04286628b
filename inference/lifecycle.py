"""The life of one model server: loading, ready, draining."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from inference import score
from inference.errors import BundleError, NotReadyError

log = logging.getLogger(__name__)


class Lifecycle:
    """Where a model server is between its start and its end. Safe to read from any thread."""

    def __init__(self) -> None:
        self._draining = False
        self._failure = ""

    @property
    def is_draining(self) -> bool:
        """Whether the server was told to end."""
        return self._draining

    def drain(self) -> None:
        """Say that the server is going to end: not ready from now on."""
        self._draining = True

    def load(self, bundle: Path | None, failed: Callable[[str], None]) -> None:
        """Load the model in the background.

        Parameters
        ----------
        bundle : Path or None
            Bundle directory; None leaves the choice to `inference.score.init`.
        failed : callable
            Called in the background with the reason, if it cannot be loaded.
        """
        arguments = (bundle, failed)
        threading.Thread(target=self._load, args=arguments, daemon=True, name="load").start()

    def problem(self) -> str:
        """Say why requests are not wanted now; empty when the server is ready."""
        if self._draining:
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

    def _unloaded(self) -> str:
        return self._failure or "the model is not loaded yet: try again in a moment"

    def _load(self, bundle: Path | None, failed: Callable[[str], None]) -> None:
        try:
            score.init(bundle)
        except BundleError as error:
            self._failure = f"the model cannot be loaded: {error}"
        except Exception as error:  # a thread's edge: whatever it was, the server must not stay
            log.exception("loading the model failed")
            self._failure = f"the model cannot be loaded: {type(error).__name__}: {error}"
        if self._failure:
            failed(self._failure)
