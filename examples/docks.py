"""The clouds of the demo, each as its own vendor's client sees it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FEATURES = [5.1, 3.5, 1.4, 0.2]
SPECIES = "setosa"
#: A row, and what the model should say of it.
Flower: TypeAlias = tuple[list[float], str]
ALWAYS: Iterator[Flower] = repeat((FEATURES, SPECIES))


@dataclass(frozen=True)
class Answer:
    """What came back, whether it names the species, and from which deployment."""

    text: str
    is_right: bool
    deployment: str


Ask = Callable[[], Answer]


class Connect(Protocol):
    """What makes a client of the endpoint of a name."""

    def __call__(self, endpoint: str, flowers: Iterator[Flower] = ALWAYS) -> Ask:
        """Return what asks once, with the next flower."""
        ...


@dataclass(frozen=True)
class Dock:
    """One cloud.

    Attributes
    ----------
    target : str
        What ``--target`` calls it.
    title : str
        What people call it.
    client : str
        What asks it, unmodified.
    connect : Connect
        Makes a client of an endpoint.
    left : callable
        Counts what stands in the account.
    address : str
        Variable with the emulator's own address.
    """

    target: str
    title: str
    client: str
    connect: Connect
    left: Callable[[], Mapping[str, int]]
    address: str


def _sagemaker(endpoint: str, flowers: Iterator[Flower] = ALWAYS) -> Ask:
    import boto3
    from botocore.config import Config

    once = Config(retries={"total_max_attempts": 1})  # a retry would hide a failure
    runtime = boto3.client("sagemaker-runtime", config=once)

    def ask() -> Answer:
        row, kind = next(flowers)
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"features": row}),
        )
        text = answer["Body"].read().decode()
        right = bool(json.loads(text) == {"prediction": kind})
        return Answer(text, right, answer["InvokedProductionVariant"])

    return ask


def _sagemaker_left() -> Mapping[str, int]:
    import boto3

    sagemaker = boto3.client("sagemaker")
    return {
        "endpoints": len(sagemaker.list_endpoints()["Endpoints"]),
        "endpoint configurations": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        "models": len(sagemaker.list_models()["Models"]),
    }


def _vertex(endpoint: str, flowers: Iterator[Flower] = ALWAYS) -> Ask:
    from google.cloud import aiplatform

    aiplatform.init(project="tridock-local", location="us-central1")
    client = aiplatform.Endpoint(endpoint)
    names = {each.id: each.display_name for each in client.list_models()}

    def ask() -> Answer:
        row, kind = next(flowers)
        answer = client.predict(instances=[row])
        key = answer.deployed_model_id
        if key not in names:
            names.update({each.id: each.display_name for each in client.list_models()})
        return Answer(str(answer.predictions), answer.predictions == [kind], names[key])

    return ask


def _vertex_left() -> Mapping[str, int]:
    from google.cloud import aiplatform, storage

    buckets = storage.Client().list_buckets()
    return {
        "endpoints": len(aiplatform.Endpoint.list()),
        "models": len(aiplatform.Model.list()),
        "objects": sum(len(list(bucket.list_blobs())) for bucket in buckets),
    }


def _azure_ml(endpoint: str, flowers: Iterator[Flower] = ALWAYS) -> Ask:
    """Find address and key as Azure ML's studio tells to, and ask by plain HTTP.

    `MLClient.online_endpoints.invoke` does not say which deployment answered.
    """
    import requests

    endpoints = _workspace().online_endpoints
    address = endpoints.get(endpoint).scoring_uri or ""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {endpoints.get_keys(endpoint).primary_key}"

    def ask() -> Answer:
        row, kind = next(flowers)
        answer = session.post(address, json={"features": row}, timeout=70)
        answer.raise_for_status()
        right = bool(answer.json() == {"prediction": kind})
        return Answer(answer.text, right, answer.headers["azureml-model-deployment"])

    return ask


def _azure_ml_left() -> Mapping[str, int]:
    client = _workspace()
    return {
        "endpoints": len(list(client.online_endpoints.list())),
        "models": len(list(client.models.list())),
        "environments": len(list(client.environments.list())),
    }


def _workspace() -> MLClient:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_WORKSPACE")
    return MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))


DOCKS = (
    Dock("aws", "SageMaker", "boto3", _sagemaker, _sagemaker_left, "AWS_ENDPOINT_URL"),
    Dock(
        *("gcp", "Vertex AI", "google-cloud-aiplatform"),
        *(_vertex, _vertex_left, "TRIDOCK_GCP_URL"),
    ),
    Dock(
        *("azure", "Azure ML", "azure-ai-ml"),
        *(_azure_ml, _azure_ml_left, "TRIDOCK_AZURE_LOCAL"),
    ),
)
