"""Commands of the kit in a folder of their own, and what each says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.recorded.commandwords import COMMANDS, CONFIGURATIONS, SAMPLE, Words
from tests.recorded.fixed import fixed, shortened
from tests.recorded.record import Record
from tests.recorded.servers import environment

#: Seconds that a command may take.
PATIENCE = 300.0
#: No verdict of the judge depends on how fast the machine is; no credentials are looked for.
VARIABLES = {
    "TRIDOCK_GATES_LATENCY_P95": "600000",
    "TRIDOCK_GATES_REQUESTS": "5",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_GCE_CHECK": "true",
}


@dataclass(frozen=True)
class Place:
    """Where the commands run.

    Attributes
    ----------
    folder : Path
        Holds the bundles.
    work : Path
        The user's project, the current folder of each command.
    """

    folder: Path
    work: Path
    places: Mapping[str, str] = field(default_factory=dict)


def answers(folder: Path) -> Iterator[Record]:
    """Yield what each command says, and end all that they started."""
    place = Place(folder, folder / "work", {str(folder): "FOLDER"})
    _prepare(place)
    try:
        for name, words in COMMANDS:
            yield _said(place, name, words)
    finally:
        _end_routers(folder)


def _prepare(place: Place) -> None:
    """Write the files that the commands name."""
    place.work.mkdir()
    for name, text in CONFIGURATIONS.items():
        (place.work / f"{name}.toml").write_text(text)
    (place.work / "sample.csv").write_text(SAMPLE)
    (place.work / "request.json").write_text('{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
    (place.work / "score.py").write_text(
        "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
    )
    (place.work / "bad.py").write_text("def init(:\n")
    damaged = place.folder / "damaged"
    damaged.mkdir()
    for file in (place.folder / "iris").iterdir():
        data = file.read_bytes()
        (damaged / file.name).write_bytes(data + b"x" if file.suffix == ".onnx" else data)
    manifest = json.loads((place.folder / "iris" / "manifest.json").read_text())
    unknown = place.folder / "unknown"
    unknown.mkdir()
    (unknown / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    (place.folder / "empty").mkdir()


def _said(place: Place, name: str, words: Words) -> Record:
    command = [
        sys.executable,
        "-m",
        *(word.replace("{F}", str(place.folder)) for word in words.words),
    ]
    variables = environment(place.folder, {**VARIABLES, **words.variables})
    try:
        ended = subprocess.run(
            command,
            cwd=place.work,
            env=variables,
            input=words.stdin.encode(),
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Record(name, {"code": "no end"})
    out, err = (_text(place, stream) for stream in (ended.stdout, ended.stderr))
    kept = {"out": out} if words.is_out_kept else {}
    return Record(name, {"code": str(ended.returncode), **kept, "err": err})


def _text(place: Place, stream: bytes) -> str:
    return shortened(fixed(stream.decode(errors="replace"), dict(place.places)))


def _end_routers(folder: Path) -> None:
    """End the routers that commands started in state folders below `folder`."""
    for file in folder.rglob("running.json"):
        pid = int(json.loads(file.read_text())["pid"])
        os.kill(pid, signal.SIGTERM)
        _await_end(pid)


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
