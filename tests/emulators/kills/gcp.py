"""Uploads to Cloud Storage and a deployment to Vertex AI, by plain REST."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.emulators.kills.workload import Fact, Note

BUCKET, NAME = "models", "iris"
PARENT = "/v1/projects/tridock-local/locations/us-central1"
IMAGE = "us-central1-docker.pkg.dev/tridock-local/kit/kit:1"
#: Content of the objects beside the model: small ones, and one above what the database holds.
OBJECTS = {f"notes/{number}": b"note %d" % number for number in range(5)}
OBJECTS["data/large"] = bytes(range(256)) * 4_000
#: Written and deleted by each run: in between it may be there or not.
DELETED = "notes/0"
#: An upload in parts, each acknowledged by itself.
PARTS = [bytes([number]) * 262_144 for number in range(4)]
#: Real seconds for an operation.
PATIENCE = 180.0
ROW = [5.1, 3.5, 1.4, 0.2]


class RefusedError(Exception):
    """The cloud has answered with an error."""


@dataclass(frozen=True)
class Deployment:
    """The client of one run; nothing is retried, so that an answer is an answer."""

    url: str
    session: requests.Session
    bundle: Path

    @classmethod
    def open(cls, environment: Mapping[str, str], bundle: Path) -> Deployment:
        """Make the client."""
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {environment['TRIDOCK_GCP_TOKEN']}"
        return cls(environment["TRIDOCK_GCP_URL"], session, bundle)

    @property
    def right_answer(self) -> str:
        """See `Workload.right_answer`."""
        return "[0]"

    def run(self, note: Note) -> None:
        """See `Workload.run`."""
        self._unless_made("/storage/v1/b?project=tridock-local", {"name": BUCKET})
        note(Fact("bucket", BUCKET, BUCKET))
        paths = [path for path in self.bundle.rglob("*") if path.is_file()]
        files = {str(path.relative_to(self.bundle)): path.read_bytes() for path in paths}
        for name, data in {**OBJECTS, **{f"model/{n}": data for n, data in files.items()}}.items():
            if name == DELETED:
                note(Fact("object", name, None))
            self._send(
                "POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", data
            )
            note(Fact("object", name, _digest(data)))
        self._delete(DELETED, note)
        self._upload_in_parts(note)
        self._deploy(note)

    def find(self, fact: Fact) -> str:
        """See `Workload.find`."""
        path = f"{PARENT}/endpoints/{NAME}"
        if fact.kind == "object":
            return self._object(fact.name)
        if fact.kind == "part":
            return str(fact.value) if self._received(fact) else "less"
        if fact.kind == "bucket":
            return str(self._get(f"/storage/v1/b/{BUCKET}").get("name", ""))
        if fact.kind == "operation":
            return str(self._get(f"/v1/{fact.name}").get("name", ""))
        if fact.kind == "model":
            return str(self._get(f"{PARENT}/models/{NAME}").get("versionId", ""))
        if fact.kind == "endpoint":
            return str(self._get(path).get("displayName", ""))
        return self.answer()

    def answer(self) -> str:
        """See `Workload.answer`."""
        path = f"{PARENT}/endpoints/{NAME}:predict"
        return str([int(one) for one in self._call("POST", path, _rows())["predictions"]])

    def _delete(self, name: str, note: Note) -> None:
        path = f"/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}"
        note(Fact("object", name, None))
        answer = self.session.delete(self.url + path, timeout=60)
        if answer.status_code not in (204, 404):
            raise RefusedError(answer.text)
        note(Fact("object", name, ""))

    def _upload_in_parts(self, note: Note) -> None:
        path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=parts"
        session = self._send("POST", path, b"{}").headers["location"]
        total = sum(map(len, PARTS))
        start = 0
        for part in PARTS:
            end = start + len(part)
            span = {"Content-Range": f"bytes {start}-{end - 1}/{total}"}
            answer = self.session.put(session, data=part, headers=span, timeout=60)
            if answer.status_code not in (200, 308):
                raise RefusedError(answer.text)
            note(Fact("part", session, str(end)))
            start = end
        note(Fact("object", "parts", _digest(b"".join(PARTS))))

    def _received(self, fact: Fact) -> bool:
        total = sum(map(len, PARTS))
        asked = {"Content-Range": f"bytes */{total}"}
        answer = self.session.put(fact.name, headers=asked, timeout=60)
        if answer.status_code == 200:
            return True
        last = str(answer.headers.get("range", "bytes=0--1")).rpartition("-")[2]
        return answer.status_code == 308 and int(last) + 1 >= int(fact.value or 0)

    def _deploy(self, note: Note) -> None:
        spec = {"imageUri": IMAGE, "predictRoute": "/predict", "healthRoute": "/readyz"}
        model = {"displayName": NAME, "containerSpec": spec}
        model["artifactUri"] = f"gs://{BUCKET}/model"
        self._done(f"{PARENT}/models:upload", {"modelId": NAME, "model": model}, note)
        note(Fact("model", NAME, "1"))
        self._done(f"{PARENT}/endpoints?endpointId={NAME}", {"displayName": NAME}, note)
        note(Fact("endpoint", NAME, NAME))
        endpoint = self._get(f"{PARENT}/endpoints/{NAME}")
        if not endpoint.get("deployedModels"):
            resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
            named = self._get(f"{PARENT}/models/{NAME}")["name"]
            deployed = {"id": "1", "model": named, "dedicatedResources": resources}
            body = {"deployedModel": deployed, "trafficSplit": {"0": 100}}
            self._done(f"{PARENT}/endpoints/{NAME}:deployModel", body, note)
        note(Fact("answer", NAME, self.right_answer))

    def _done(self, path: str, body: Any, note: Note) -> None:
        """Begin an operation and wait for it; one of an earlier run may still be under way."""
        deadline = time.monotonic() + PATIENCE
        answer = self._unless_made(path, body)
        if answer is None:
            self._wait_for_others()
            return
        note(Fact("operation", answer["name"], answer["name"]))
        while not answer.get("done"):
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
            answer = self._call("GET", f"/v1/{answer['name']}")
        if answer.get("error", {}).get("code", 6) != 6:
            raise RefusedError(str(answer["error"]))

    def _wait_for_others(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while any(not one.get("done") for one in self._operations()):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _operations(self) -> list[Any]:
        found: list[Any] = self._call("GET", f"{PARENT}/operations").get("operations", [])
        return found

    def _unless_made(self, path: str, body: Any) -> Any:
        """Make what an earlier run may have made; then return None."""
        answer = self.session.post(self.url + path, json=body, timeout=60)
        if answer.status_code == 409:
            return None
        if answer.status_code != 200:
            raise RefusedError(answer.text)
        return answer.json()

    def _object(self, name: str) -> str:
        path = f"/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}?alt=media"
        answer = self.session.get(self.url + path, timeout=60)
        if answer.status_code == 404:
            return ""
        return _digest(answer.content) if answer.status_code == 200 else answer.text

    def _get(self, path: str) -> Any:
        answer = self.session.get(self.url + path, timeout=60)
        return {} if answer.status_code == 404 else answer.json()

    def _call(self, verb: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(verb, self.url + path, json=body, timeout=60)
        if answer.status_code != 200:
            raise RefusedError(answer.text)
        return answer.json()

    def _send(self, verb: str, path: str, data: bytes) -> requests.Response:
        answer = self.session.request(verb, self.url + path, data=data, timeout=60)
        if answer.status_code != 200:
            raise RefusedError(answer.text)
        return answer


def _rows() -> dict[str, Any]:
    return {"instances": [ROW]}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
