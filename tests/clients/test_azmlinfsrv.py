"""Azure ML's own inference server and ours, side by side: the same scripts, the same requests.

`python -m tests.clients.test_azmlinfsrv` prints the table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tridock.inference.process.model_server import ModelServer, free_port, wait_ready

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / ".venvs" / "azmlinfsrv"
JSON = {"content-type": "application/json"}

#: What decorated scripts import, linked from the vendor's environment into our server's path.
SCHEMA = ("inference_schema", "wrapt", "pytz")

SCRIPTS = {
    "plain": """
import json
def init():
    global k
    k = 2
def run(data):
    value = json.loads(data)
    if value.get("fail"):
        raise ValueError("no")
    return {"k": [k * x for x in value["x"]], "type": type(data).__name__}
""",
    "headers": """
def init(): pass
def run(data, request_headers):
    names = {name.lower(): value for name, value in request_headers.items()}
    return {"team": names.get("x-team"), "length": len(data)}
""",
    "schema": """
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
def init(): pass
@input_schema("rows", NumpyParameterType(np.array([[1.0, 2.0]])))
@input_schema("power", StandardPythonParameterType(2))
@output_schema(NumpyParameterType(np.array([1.0])))
def run(rows, power=1):
    return (rows.sum(axis=1) ** power).tolist()
""",
    "raw": """
import json
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
def init(): pass
@rawhttp
def run(request):
    if request.method == "GET":
        return AMLResponse(json.dumps(dict(request.args)), 200, {"Content-Type": "text/x-got"})
    if request.headers.get("x-refuse"):
        return AMLResponse({"refused": True}, 422, json_str=True)
    return AMLResponse(request.get_data()[::-1], 201, {"X-Made": "yes"})
""",
    "text": """
def init(): pass
def run(data):
    return {"none": None, "text": "a b", "nan": float("nan")}[data]
""",
}


@dataclass(frozen=True)
class Case:
    """One request to one script.

    Attributes
    ----------
    status : int
        What both answer.
    better : str
        Why our answer differs on purpose; empty where it must be the same.
    ours : tuple of (int, object)
        Our status and body where they differ.
    """

    script: str
    body: bytes = b""
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    status: int = 200
    better: str = ""
    ours: tuple[int, Any] = (0, None)

    def __str__(self) -> str:
        return f"{self.script} {self.method} {self.query or self.body.decode('latin-1')[:40]}"


CASES = (
    Case("plain", b'{"x": [1, 2]}'),
    Case("plain", method="GET", query="x=[1,2]"),
    Case("plain", b'{"x": [1, 2]}', headers={"content-type": "text/csv"}),
    Case("plain", "\ufeff".encode("utf-16"), status=400),
    Case("plain", b'{"fail": 1}', status=500),
    Case("headers", b"12345", headers={"content-type": "text/plain", "x-team": "a"}),
    Case("schema", b'{"rows": [[1, 2], [3, 4]], "power": 2}'),
    Case("schema", b'{"rows": [[1, 2]]}'),
    Case("schema", method="GET", query="rows=[[1,2]]&power=3"),
    Case("schema", b'{"power": 2}', status=400),
    Case("schema", b"[1]", status=400),
    Case("schema", b"not json", status=400),
    Case("schema", b"", status=400),
    Case("schema", b'{"rows": [[1, 2]]}', headers={"content-type": "text/plain"}, status=415),
    Case("raw", b"abc\xff", headers={"content-type": "application/octet-stream"}, status=201),
    Case("raw", b"abc", headers={**JSON, "x-refuse": "1"}, status=422),
    Case("raw", method="GET", query="a=1&b=x"),
    Case("text", b"none"),
    Case(
        "plain",
        b'{"x": [1]}',
        headers={"content-type": "application/x-www-form-urlencoded"},
        better="a form's body reaches run(): the vendor's gets an empty one",
        ours=(200, {"k": [2], "type": "str"}),
    ),
    Case("text", b"text", better="text is sent as it is, not as JSON's text", ours=(200, "a b")),
    Case("text", b"nan", better="NaN is no JSON: null", ours=(200, None)),
    Case(
        "schema",
        b'{"rows": "abc"}',
        better="input that does not fit the schema is the caller's fault: 400, not 500",
        ours=(400, "does not fit the schema"),
    ),
)


@dataclass(frozen=True)
class Pair:
    """The two servers of one script."""

    vendor: str
    ours: str

    def ask(self, case: Case) -> tuple[httpx.Response, httpx.Response]:
        def one(url: str) -> httpx.Response:
            where = f"{url}/score?{case.query}" if case.query else f"{url}/score"
            content = case.body if case.method == "POST" else None
            with httpx.Client(trust_env=False, timeout=600) as client:
                return client.request(
                    case.method, where, content=content, headers=dict(case.headers)
                )

        return one(self.vendor), one(self.ours)


@contextmanager
def served(name: str, folder: Path) -> Iterator[Pair]:
    """Serve one script by both."""
    root = folder / name
    root.mkdir()
    (root / "score.py").write_text(SCRIPTS[name])
    with vendors(root) as vendor, our_own(root) as ours:
        yield Pair(vendor, ours)


@contextmanager
def vendors(root: Path) -> Iterator[str]:
    port = free_port()
    command = [str(VENDOR / "bin" / "azmlinfsrv"), "--entry_script", "score.py"]
    with (root / "vendor.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=root,
            env={"PATH": f"{VENDOR / 'bin'}:{os.environ['PATH']}", "HOME": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 300
        while not _answers(url):
            assert process.poll() is None, (root / "vendor.log").read_text()
            assert time.monotonic() < deadline, "the vendor's server did not come up"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def our_own(root: Path) -> Iterator[str]:
    packages = root.with_name(f"{root.name}-packages")
    packages.mkdir()
    (libraries,) = (VENDOR / "lib").glob("python*/site-packages")
    for name in SCHEMA:
        (packages / name).symlink_to(libraries / name)
    variables = {
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AML_APP_ROOT": str(root),
        "PYTHONPATH": f"{ROOT}:{packages}",
    }
    server = ModelServer.start(None, root / "ours.log", environment=variables)
    try:
        assert wait_ready(server, route="/"), server.tail()
        yield server.url
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def read(answer: httpx.Response) -> Any:
    """Return a body as what it means: JSON's value, or text."""
    try:
        return answer.json()
    except ValueError:
        return answer.text


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Pair]]:
    folder = tmp_path_factory.mktemp("scripts")
    with ExitStack() as stack:
        yield {name: stack.enter_context(served(name, folder)) for name in SCRIPTS}


SAME = [case for case in CASES if not case.better]
BETTER = [case for case in CASES if case.better]


@pytest.mark.parametrize("case", SAME, ids=str)
def test_a_script_answers_as_on_the_vendors_server(pairs: Mapping[str, Pair], case: Case) -> None:
    vendor, ours = pairs[case.script].ask(case)
    assert (vendor.status_code, ours.status_code) == (case.status, case.status)
    assert ("x-ms-run-fn-exec-ms" in ours.headers) == ("x-ms-run-fn-exec-ms" in vendor.headers)
    if vendor.is_success or case.script == "raw":
        assert read(ours) == read(vendor)
        assert ours.headers["content-type"] == vendor.headers["content-type"]


@pytest.mark.parametrize("case", BETTER, ids=lambda case: case.better.partition(":")[0])
def test_ours_is_better_on_purpose(pairs: Mapping[str, Pair], case: Case) -> None:
    vendor, ours = pairs[case.script].ask(case)
    status, body = case.ours
    assert ours.status_code == status
    assert body in read(ours)["error"] if status == 400 else read(ours) == body
    assert (vendor.status_code, vendor.content) != (ours.status_code, ours.content)


def test_both_say_that_they_are_healthy_by_the_status(pairs: Mapping[str, Pair]) -> None:
    for url in (pairs["plain"].vendor, pairs["plain"].ours):
        assert httpx.get(url, trust_env=False).status_code == 200


def main() -> None:
    """Print both servers' answers to every request."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        pairs = {name: stack.enter_context(served(name, Path(folder))) for name in SCRIPTS}
        for case in CASES:
            vendor, ours = pairs[case.script].ask(case)
            told = [f"{one.status_code} {one.text[:60]!r}" for one in (vendor, ours)]
            sys.stdout.write(f"| {case} | {told[0]} | {told[1]} | {case.better or 'same'} |\n")


if __name__ == "__main__":
    main()
