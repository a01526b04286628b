"""An upload to Blob storage and a deployment to Azure ML, by their REST interfaces."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from tests.emulators.azure.rest import WORKSPACE, Rest
from tests.emulators.kills.workload import Fact, Note

CONTAINER = "https://tridockstorage.blob.core.windows.net/azureml-blobstore-1"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/killed"
DEPLOYMENT = f"{ENDPOINT}/deployments/blue"
#: Content of the blobs beside the bundle: small ones, and one in blocks.
BLOBS = {f"notes/{number}": b"note %d" % number for number in range(5)}
BLOCKS = tuple(bytes([number]) * 2_000_000 for number in range(5))
#: States that pass by themselves.
PASSING = ("Creating", "Updating", "Deleting")
#: Real seconds for the model server to answer.
PATIENCE = 180.0
SCRIPT = "def init(): pass\ndef run(raw): return raw\n"


@dataclass(frozen=True)
class Deployment:
    """The client of one run."""

    rest: Rest
    bundle: Path
    storage: Mapping[str, str]

    @classmethod
    def open(cls, environment: Mapping[str, str], bundle: Path) -> Deployment:
        """Return the client, which is one over all kills: addresses and secrets are the same."""
        rest = _client(tuple(sorted(environment.items())))
        token = rest.token("https://storage.azure.com")
        return cls(rest, bundle, {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"})

    @property
    def right_answer(self) -> str:
        """See `Workload.right_answer`."""
        return '{"a": 1}'

    def run(self, note: Note) -> None:
        """See `Workload.run`."""
        note(Fact("blob", "notes/0", None))
        files = {path.name: path.read_bytes() for path in self.bundle.iterdir() if path.is_file()}
        for name, data in {**BLOBS, **files}.items():
            self._sent("PUT", name, data)
            note(Fact("blob", name, _digest(data)))
        note(Fact("blob", "notes/0", None))
        self._sent("DELETE", "notes/0")
        note(Fact("blob", "notes/0", ""))
        self._blocks(note)
        self._deploy(note)

    def find(self, fact: Fact) -> str:
        """See `Workload.find`."""
        if fact.kind == "blob":
            answer = self.rest.client.get(f"{CONTAINER}/{fact.name}", headers=self.storage)
            return _digest(answer.content) if answer.is_success else ""
        if fact.kind == "answer":
            self._settled(DEPLOYMENT)
            return self.answer()
        found = self._settled(fact.name)
        if fact.kind == "traffic":
            return str(found.get("traffic"))
        return "yes" if found else ""

    def answer(self) -> str:
        """See `Workload.answer`."""
        return self.rest.score("killed", {"a": 1}).text

    def _blocks(self, note: Note) -> None:
        names = [f"YmxvY2s{number}" for number in range(len(BLOCKS))]
        for name, data in zip(names, BLOCKS, strict=True):
            self._sent("PUT", "data/large", data, comp="block", blockid=name)
        listed = "".join(f"<Latest>{name}</Latest>" for name in names)
        body = f"<BlockList>{listed}</BlockList>".encode()
        self._sent("PUT", "data/large", body, comp="blocklist")
        note(Fact("blob", "data/large", _digest(b"".join(BLOCKS))))

    def _deploy(self, note: Note) -> None:
        code = f"{WORKSPACE}/codes/code/versions/1"
        if not self._settled(code):  # its files cannot be changed
            code = self.rest.script(SCRIPT)
        environment = self.rest.environment()
        note(Fact("resource", code, "yes"))
        note(Fact("resource", environment, "yes"))
        if self._settled(ENDPOINT).get("provisioningState") != "Succeeded":
            assert self.rest.endpoint("killed")["status"] == "Succeeded"
        note(Fact("resource", ENDPOINT, "yes"))
        if self._settled(DEPLOYMENT).get("provisioningState") != "Succeeded":
            done = self.rest.deploy("killed", "blue", self.rest.deployment(code))
            assert done["status"] == "Succeeded", done
        note(Fact("resource", DEPLOYMENT, "yes"))
        note(Fact("traffic", ENDPOINT, None))
        assert self.rest.endpoint("killed", traffic={"blue": 100})["status"] == "Succeeded"
        note(Fact("traffic", ENDPOINT, "{'blue': 100}"))
        note(Fact("answer", "killed", self.right_answer))

    def _settled(self, path: str) -> Mapping[str, object]:
        """Return a resource's properties once no change of it is under way; empty if none is."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.rest.arm("GET", path)
            if answer.status_code == 404:
                return {}
            found: Mapping[str, object] = answer.raise_for_status().json()["properties"]
            if found.get("provisioningState") not in PASSING:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{path} does not settle in {PATIENCE} s")

    def _sent(self, method: str, name: str, data: bytes = b"", **query: str) -> httpx.Response:
        headers = {**self.storage, "x-ms-blob-type": "BlockBlob"}
        url = f"{CONTAINER}/{name}"
        answer = self.rest.client.request(method, url, params=query, content=data, headers=headers)
        return answer if answer.status_code == 404 else answer.raise_for_status()


@cache
def _client(environment: tuple[tuple[str, str], ...]) -> Rest:
    return Rest.open(dict(environment))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
