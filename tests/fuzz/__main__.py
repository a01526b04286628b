"""`make fuzz`: bodies and headers, neighbours, and what the OpenAPI description allows."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz import neighbours, schema, volley
from tests.fuzz.shots import shots
from tests.fuzz.templates import SUBJECTS
from tridock.examples.iris import train as iris
from tridock.examples.loan import train as loan
from tridock.examples.spam import train as spam
from tridock.inference.process.model_server import ModelServer, wait_ready

TRAINERS = {"iris": iris.main, "loan": loan.main, "spam": spam.main}
PARTS = ("bodies", "neighbours", "schema")
ENGINES = ("onnx", "joblib")
#: So many faults are shown in full.
SHOWN = 5


def main(words: list[str] | None = None) -> int:
    """Fuzz what the command line asks for: 0 nothing found, 1 something, 2 usage."""
    given = _parser().parse_args(words)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for model in given.models:
            bundle = Path(folder) / model
            TRAINERS[model](["--out", str(bundle)])
            for engine in given.engines:
                with _served(bundle, Path(folder) / f"{model}.{engine}.log", engine) as server:
                    faults += _fuzz(server, f"{model}, {engine}", model, given)
    print(f"in all: {faults} faults; seed {given.seed}")
    return int(faults > 0)


def _fuzz(server: ModelServer, title: str, model: str, given: argparse.Namespace) -> int:
    faults, each = 0, len(given.models) * len(given.engines)
    if "bodies" in given.only:
        faults += _bodies(server, title, model, (given.requests // each, given.seed))
    if "neighbours" in given.only:
        faults += _neighbours(server, title, model, (given.neighbours // each, given.seed))
    if "schema" in given.only:
        faults += _schema(server, title, given.schema // each, given.seed)
    log = server.log.read_text(errors="replace")
    if log.count("Traceback"):
        print(f"{title}: {log.count('Traceback')} tracebacks in the log")
        print(log[log.index("Traceback") :][:3000])
        faults += log.count("Traceback")
    if server.exit_code() is not None:
        print(f"{title}: the server ended with {server.exit_code()}: {server.tail()}")
        faults += 1
    return faults


def _bodies(server: ModelServer, title: str, model: str, size: tuple[int, int]) -> int:
    began = time.monotonic()
    found = volley.fire_all(server.port, shots(SUBJECTS[model], *size))
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(found.statuses.items()))
    print(
        f"{title}: {found.sent} bodies and headers in {time.monotonic() - began:.0f} s: "
        f"{found.count('status 5')} × 5xx, {found.count('invalid JSON')} invalid JSON, "
        f"{found.count('hang')} without an answer, {len(found.faults)} faults in all ({statuses})"
    )
    for told, shot in found.faults[:SHOWN]:
        print(f"  {told}: {shot}")
    return len(found.faults)


def _neighbours(server: ModelServer, title: str, model: str, size: tuple[int, int]) -> int:
    began = time.monotonic()
    count, seed = size
    asked = neighbours.mixed(SUBJECTS[model], max(1, count // 3), seed)
    found = neighbours.compare(server, asked, rounds=3)
    print(
        f"{title}: {found.asked} requests in company in {time.monotonic() - began:.0f} s, "
        f"{found.good} good, {found.busy} refused: "
        f"{len(found.differed)} answered otherwise than alone"
    )
    for question, alone, together in found.differed[:SHOWN]:
        print(f"  {question}\n    alone    {alone!r:.300}\n    together {together!r:.300}")
    return len(found.differed)


def _schema(server: ModelServer, title: str, requests: int, seed: int) -> int:
    began = time.monotonic()
    found = schema.run(server.url, server.log.parent, requests, seed)
    failures = found.failures.total()
    print(
        f"{title}: {found.requests} requests of the OpenAPI description in "
        f"{time.monotonic() - began:.0f} s: {found.server_errors} × 5xx, {failures} checks failed"
    )
    for told, count in found.failures.most_common(SHOWN):
        print(f"  {count} × {told}")
    return failures


@contextlib.contextmanager
def _served(bundle: Path, log: Path, engine: str) -> Iterator[ModelServer]:
    server = ModelServer.start(bundle, log, environment={"TRIDOCK_ENGINE": engine})
    try:
        if not wait_ready(server):
            raise SystemExit(f"the server did not come up: {server.tail()}")
        yield server
    finally:
        server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=PARTS)
    add("--models", nargs="+", choices=tuple(TRAINERS), default=tuple(TRAINERS))
    add("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    add("--requests", type=int, default=30_000, help="raw requests, of all models and engines")
    add("--neighbours", type=int, default=18_000, help="requests in company, of all")
    add("--schema", type=int, default=12_000, help="requests of the OpenAPI description, of all")
    add("--seed", type=int, default=int(time.time()) % 1_000_000)
    return parser


if __name__ == "__main__":
    sys.exit(main())
