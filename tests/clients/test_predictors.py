"""The clients of KServe, Triton and SageMaker's scikit-learn containers ask one model server.

Each runs unmodified in its own environment, sends all rows in every form that it has, and prints
what it got: all must be what the model itself answers.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package
from tridock.inference.process.model_server import ModelServer, wait_ready

ROOT = Path(__file__).resolve().parents[2]
#: SageMaker's runtime calls `/endpoints/NAME/invocations`: a prefix, to the server.
ENDPOINT = "/endpoints/iris"
DATA = load_iris()
PATIENCE = 120

KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

url, rows = sys.argv[1], json.load(sys.stdin)

def tensor(binary):
    sent = InferInput("input", [len(rows), 4], "FP64")
    sent.set_data_from_numpy(np.array(rows), binary_data=binary)
    return sent

async def main():
    first = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    answer = await first.infer(url, {"instances": rows}, model_name="iris")
    told = {"v1": answer["predictions"]}
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    for binary in (False, True):
        request = InferRequest("iris", [tensor(binary)], model_version="1")
        answer = await client.infer(url, request, model_name="iris")
        told[f"v2 {binary}"] = answer.outputs[0].as_numpy().tolist()
    told["ready"] = [
        await first.is_server_live(url),
        await client.is_server_live(url),
        await client.is_server_ready(url),
        await client.is_model_ready(url, "iris"),
        not await client.is_model_ready(url, "other"),
    ]
    print(json.dumps(told))

asyncio.run(main())
"""

TRITON = """
import json, sys
import numpy as np
import tritonclient.http as triton

url, rows = sys.argv[1].removeprefix("http://"), np.array(json.load(sys.stdin))
client = triton.InferenceServerClient(url)
told = {"ready": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("iris"),
                  "classification" in client.get_server_metadata()["extensions"]]}

def ask(name, binary_in, binary_out, classes=0, dtype="FP64"):
    sent = triton.InferInput("input", list(rows.shape), dtype)
    values = rows.astype(np.float32) if dtype == "FP32" else rows
    sent.set_data_from_numpy(values, binary_data=binary_in)
    output = triton.InferRequestedOutput(name, binary_data=binary_out, class_count=classes)
    return client.infer("iris", [sent], outputs=[output]).as_numpy(name)

def text(array):
    return [each.decode() if isinstance(each, bytes) else each for each in array.ravel()]

for binary_in in (False, True):
    for binary_out in (False, True):
        told[f"{binary_in} {binary_out}"] = text(ask("predict", binary_in, binary_out))
        told[f"shares {binary_in} {binary_out}"] = ask(
            "predict_proba", binary_in, binary_out).tolist()
        classes = ask("predict_proba", binary_in, binary_out, classes=2)
        told[f"classes {binary_in} {binary_out}"] = [text(row) for row in classes]
print(json.dumps(told))
"""

SAGEMAKER = """
import json, sys
import boto3, numpy as np, sagemaker
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.sklearn import SKLearnPredictor

url, rows = sys.argv[1], json.load(sys.stdin)
boto = boto3.Session("key", "secret", region_name="us-east-1")
runtime = boto.client("sagemaker-runtime", endpoint_url=url)
session = sagemaker.Session(
    boto, sagemaker_client=boto.client("sagemaker"), sagemaker_runtime_client=runtime
)
told = {
    "npy": SKLearnPredictor("iris", session).predict(np.array(rows)).tolist(),
    "npy of lists": SKLearnPredictor("iris", session).predict(rows).tolist(),
    "csv": [each for [each] in SKLearnPredictor(
        "iris", session, CSVSerializer(), CSVDeserializer()).predict(rows)],
    "json": SKLearnPredictor("iris", session, JSONSerializer(), JSONDeserializer()).predict(rows),
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    model = LogisticRegression(max_iter=1000).fit(DATA.data, DATA.target_names[DATA.target])
    return package(model, DATA.data, tmp_path_factory.mktemp("iris") / "b", about=About("iris"))


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    log = tmp_path_factory.mktemp("server") / "log"
    root = {"TRIDOCK_ROOT_PATH": ENDPOINT}
    server = ModelServer.start(bundle.path, log, environment=root)
    try:
        assert wait_ready(server), server.tail()
        yield server
    finally:
        server.stop(grace=10)


@pytest.fixture(scope="module")
def own() -> tuple[list[str], Any]:
    """Labels and probabilities of the fitted model, without bundle and server."""
    model = LogisticRegression(max_iter=1000).fit(DATA.data, DATA.target_names[DATA.target])
    return model.predict(DATA.data).tolist(), model.predict_proba(DATA.data)


def said(client: str, script: str, server: ModelServer, home: Path) -> dict[str, Any]:
    """Run a client's script in its environment and return what it printed."""
    done = subprocess.run(
        [str(ROOT / ".venvs" / client / "bin" / "python"), "-c", script, server.url],
        input=json.dumps(DATA.data.tolist()),
        capture_output=True,
        text=True,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_kserves_client_gets_the_models_predictions(
    server: ModelServer, own: tuple[list[str], Any], tmp_path: Path
) -> None:
    told = said("openinference", KSERVE, server, tmp_path)
    assert told.pop("ready") == [True] * 5
    assert set(told) == {"v1", "v2 False", "v2 True"}
    assert all(answer == own[0] for answer in told.values())


def test_tritons_client_gets_the_models_predictions_and_classes(
    server: ModelServer, own: tuple[list[str], Any], tmp_path: Path
) -> None:
    told = said("openinference", TRITON, server, tmp_path)
    labels, shares = own
    assert told.pop("ready") == [True] * 4
    assert len(told) == 12
    for name, answer in told.items():
        if name.startswith("shares"):
            assert np.abs(np.array(answer) - shares).max() < 1e-6
        elif name.startswith("classes"):
            assert [row[0].rpartition(":")[2] for row in answer] == labels
            best = np.sort(shares, axis=1)[:, ::-1][:, :2]
            found = [[float(cell.partition(":")[0]) for cell in row] for row in answer]
            assert np.abs(np.array(found) - best).max() < 2e-6
        else:
            assert answer == labels


def test_sagemakers_predictor_of_scikit_learn_gets_the_models_predictions(
    server: ModelServer, own: tuple[list[str], Any], tmp_path: Path
) -> None:
    told = said("sagemaker2", SAGEMAKER, server, tmp_path)
    assert set(told) == {"npy", "npy of lists", "csv", "json"}
    assert all(answer == own[0] for answer in told.values())
