"""A model server on this machine for a program or a notebook, for as long as a block runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import InferenceError, InvalidInputError, NotReadyError
from tridock.inference.process.model_server import ModelServer, wait_ready

BAD_REQUEST = 400
#: Seconds that an answer may take.
PATIENCE = 600.0


@dataclass(frozen=True)
class LocalServer:
    """A model server that answers on the loopback.

    Attributes
    ----------
    url : str
        Its address, such as ``http://127.0.0.1:20001``; docs/serving.md lists the routes.
    """

    url: str

    def predict(self, rows: Any) -> list[Any]:
        """Return one prediction for each row.

        Parameters
        ----------
        rows : list of list, or list of dict
            Rows as lists of values in the order of the signature, or as mappings by feature name.

        Raises
        ------
        InvalidInputError
            If a row does not fit the signature; the message names row, field and value.
        InferenceError
            If the server answers with another error.
        """
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            answer = client.post(f"{self.url}/predict", json={"instances": rows})
        if answer.is_success:
            return list(answer.json()["predictions"])
        refused = answer.status_code == BAD_REQUEST
        raise (InvalidInputError if refused else InferenceError)(answer.text)


@contextmanager
def serve(
    bundle: Bundle | Path, *, port: int | None = None, wait: float = 60.0
) -> Iterator[LocalServer]:
    """Serve a bundle while a block runs, by a process of its own that ends with the block.

    Parameters
    ----------
    bundle : Bundle or Path
        A bundle, or its folder.
    port : int, optional
        Port on 127.0.0.1; by default a free one.
    wait : float
        Seconds until it has to answer.

    Yields
    ------
    LocalServer
        A server that is ready.

    Raises
    ------
    NotReadyError
        If it ends or does not answer in time; the message has the last lines of its log.
    """
    folder = bundle if isinstance(bundle, Path) else bundle.path
    with tempfile.TemporaryDirectory(prefix="tridock-serve-") as logs:
        server = ModelServer.start(folder.absolute(), Path(logs) / "server.log", port=port)
        try:
            if not wait_ready(server, timeout=wait):
                raise NotReadyError(f"the server of {folder} is not ready:\n{server.tail()}")
            yield LocalServer(server.url)
        finally:
            server.stop()
