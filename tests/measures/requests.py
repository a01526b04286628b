"""The files that a warm request touches, measured on a real server."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

from tests.measures.tracing import Way, way
from tests.recorded.servers import Server, environment, started

WARM, MEASURED = 60, 25
#: Seconds after an answer in which the server ends its work on the request.
REST = 0.02

JSON = "application/json"
IRIS = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
TENSOR = (
    b'{"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [5, 3, 1, 0]}]}'
)
LOAN = (
    b"age,income,credit_score,employment,loan_amount,term_months,purpose\n"
    b"41,58.2,742,employed,9.5,36,car\n"
)
Request = tuple[str, str, str, bytes]
#: By title: the bundle, the path, the content type and the body. A model whose prediction takes
#: longer than some milliseconds, as that of loan may do here, predicts in a thread: some hops less.
REQUESTS: Mapping[str, Request] = {
    "fast: iris, JSON": ("iris", "/invocations", JSON, IRIS),
    "long: iris, JSON with a query": ("iris", "/invocations?probabilities=true", JSON, IRIS),
    "long: loan, CSV": ("loan", "/invocations", "text/csv", LOAN),
    "Open Inference: iris, JSON": ("iris", "/v2/models/iris/infer", JSON, TENSOR),
}


def ways(folder: Path) -> Iterator[tuple[str, Way]]:
    """Yield each request's title and way; `folder` holds the bundles."""
    for number, (title, request) in enumerate(REQUESTS.items()):
        flag, calls = folder / f"flag-{number}", folder / f"calls-{number}"
        flag.write_bytes(b"\0")
        door = ("tests.measures.served", str(flag), str(calls))
        server = Server("measured", request[0], ())
        with started(server, folder, folder / f"log-{number}", door=door) as port:
            _send(port, flag, request)
        yield title, _usual(calls)


def _send(port: int, flag: Path, request: Request) -> None:
    """Send a request some times to warm the server up, and then some times to be noted.

    Raises
    ------
    RuntimeError
        If it is not answered with 200.
    """
    _, path, media, body = request
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    with flag.open("r+b") as file, mmap.mmap(file.fileno(), 1) as shared:
        for number in range(WARM + MEASURED):
            shared[0] = max(0, number - WARM + 1)
            connection.request("POST", path, body, {"content-type": media})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}: {text.decode()}")
            time.sleep(REST)
            shared[0] = 0
            time.sleep(REST)
    connection.close()
    time.sleep(0.5)  # The server looks at the flag at its next call, ten times a second.


def _usual(file: Path) -> Way:
    """Return the most frequent way: what the server does by the clock is in few of them."""
    counted = Counter(tuple(json.loads(line)) for line in file.read_text().splitlines())
    return way(counted.most_common(1)[0][0])


def release(folder: Path) -> Way:
    """Return the way of a release to the local target; `folder` holds two versions of iris.

    Raises
    ------
    subprocess.CalledProcessError
        If the release fails.
    """
    flag, calls = folder / "flag-release", folder / "calls-release"
    flag.write_bytes(b"\0")
    places = [str(path) for path in (flag, calls, folder)]
    command = [sys.executable, "-m", "tests.measures.released", *places]
    with (folder / "log-release").open("wb") as log:
        subprocess.run(
            command, env=environment(folder), cwd=folder, check=True, stdout=log, stderr=log
        )
    return way(json.loads(calls.read_text().splitlines()[0]))
