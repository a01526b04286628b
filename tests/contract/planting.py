"""What releases that were killed would have left in an account, and what is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tridock.deploy.target.notes import Notes
from tridock.deploy.target.records import Release
from tridock.deploy.waiting.lock import Claim
from tridock.deploy.waiting.owner import Owner

#: Bundles: of a version that is gone, in part, in somebody's use, of somebody who is releasing.
GONE, HALF, USED, BUSY = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
NAME = "v1-aaaaaaaa"
ADA = Owner("ada@elsewhere", "https://ci.example/run/7", "elsewhere", "4711 99")


@dataclass(frozen=True)
class Planted:
    """What stands in an account.

    Attributes
    ----------
    ours : frozenset of str
        Leftovers, kind and name.
    busy : frozenset of str
        Those of the endpoint ``planted-busy``, which is locked at times.
    theirs : callable
        Names what is somebody else's, or in use, and still there.
    """

    ours: frozenset[str]
    busy: frozenset[str]
    theirs: Callable[[], list[str]]


def unlock(notes: Notes, endpoint: str) -> None:
    """Take that lock away."""
    found = notes.read(f"locks/{endpoint}.json")
    if found:
        notes.remove(found.key, over=found)


def lock(notes: Notes, endpoint: str) -> None:
    """Let somebody hold an endpoint's lock for a minute."""
    now = datetime.now(UTC)
    claim = Claim(ADA, f"release of {endpoint} 2", now, now + timedelta(minutes=1))
    notes.write(f"locks/{endpoint}.json", claim.body(), over=notes.read(f"locks/{endpoint}.json"))


def plant(target: Any) -> Planted:
    """Plant an account; what the deployers' own code would have made is made by it."""
    kinds: dict[str, Callable[[Any], Planted]] = {
        "SageMakerTarget": _aws,
        "VertexTarget": _vertex,
        "CloudRunTarget": _cloud_run,
        "AzureTarget": _azure,
        "ContainerAppsTarget": _blobs,
        "InstancesTarget": _blobs,
        "LocalTarget": _local,
    }
    return kinds[type(target).__name__](target)


def _release(endpoint: str, name: str, artifact: str, digest: str) -> Release:
    image = "us-central1-docker.pkg.dev/kit/kit/kit:1"
    return Release(endpoint, name, artifact, image, bundle=endpoint, version="1", digest=digest)


def _aws(target: Any) -> Planted:
    sagemaker, s3, bucket = target.account.sagemaker, target.store.s3, target.store.bucket
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/kit:1"

    def put(key: str) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def model(name: str, digest: str, *, ours: bool = True) -> None:
        put(f"bundles/{digest}/model.tar.gz")
        put(f"bundles/{digest}/used-by/{name}") if ours else None
        tags = [{"Key": "tridock:endpoint", "Value": name.partition("--")[0]}] if ours else []
        where = f"s3://{bucket}/bundles/{digest}/model.tar.gz"
        container = {"Image": image, "ModelDataUrl": where}
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=target.role, PrimaryContainer=container, Tags=tags
        )

    def config(name: str, of: str, tags: Any = ()) -> None:
        variant = {"VariantName": "one", "ModelName": of, "InstanceType": "ml.m5.large"}
        variants = [{**variant, "InitialInstanceCount": 1}]
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=variants, Tags=list(tags)
        )

    model(f"planted--{NAME}", GONE)
    config("planted--0123", f"planted--{NAME}", [{"Key": "tridock:endpoint", "Value": "planted"}])
    put(f"bundles/{GONE}/used-by/planted--v0-99999999")
    put(f"bundles/{HALF}/model.tar.gz")
    model(f"planted-used--{NAME}", USED)
    config("their-config", f"planted-used--{NAME}")
    model(f"planted-busy--{NAME}", BUSY)
    model("their--model", USED, ours=False)
    for key in ("bundles/readme.txt", f"bundles/{GONE}/theirs.txt", "theirs/model.tar.gz"):
        put(key)

    def theirs() -> list[str]:
        models = [one["ModelName"] for one in sagemaker.list_models()["Models"]]
        configs = sagemaker.list_endpoint_configs()["EndpointConfigs"]
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        named = [*models, *(one["EndpointConfigName"] for one in configs), *keys]
        return sorted(name for name in named if "used--" in name or _is_theirs(name))

    ours = {f"model planted--{NAME}", "endpoint configuration planted--0123"}
    ours |= {f"mark of use {GONE}/planted--{NAME}", f"mark of use {GONE}/planted--v0-99999999"}
    ours |= {f"stored bundle {GONE}", f"stored bundle {HALF}"}
    return Planted(frozenset(ours), _busy("model planted-busy--" + NAME), theirs)


def _vertex(target: Any) -> Planted:
    deployments, store = target._deployments, target.store
    registry = deployments.registry
    theirs, number = _objects(store), dict[str, str]()
    for endpoint, digest in (("planted", GONE), ("planted-busy", BUSY)):
        store.mark(digest, f"{endpoint}--{NAME}")
        folder = f"gs://{store.bucket}/bundles/{digest}/model"
        number[endpoint] = registry.upload(_release(endpoint, NAME, folder, digest)).version_id
    deployments.make("t-1234567890-planted", {"tridock-endpoint": "planted", "tridock-alone": NAME})
    deployments.make("their-endpoint", {})
    ours = {"temporary endpoint t-1234567890-planted", f"model version planted@{number['planted']}"}
    busy = _busy(f"model version planted-busy@{number['planted-busy']}")

    def left() -> list[str]:
        found = target.account.endpoints.list_endpoints(parent=target.account.parent)
        named = [one.name.rpartition("/")[2] for one in found]
        return sorted([*theirs(), *(name for name in named if "their" in name)])

    return Planted(frozenset(ours | _STORED), busy, left)


#: What `_objects` plants.
_STORED = {f"mark of use {GONE}/planted--{NAME}", f"mark of use {GONE}/planted--v0-99999999"}
_STORED |= {f"stored bundle {GONE}", f"stored bundle {HALF}"}


def _cloud_run(target: Any) -> Planted:
    target.store.mark(GONE, f"planted--{NAME}")
    target.store.mark(BUSY, f"planted-busy--{NAME}")
    return Planted(frozenset(_STORED), _busy(), _objects(target.store))


def _objects(store: Any) -> Callable[[], list[str]]:
    """Plant the bucket that Vertex AI and Cloud Run share."""
    bucket = store.client.bucket(store.bucket)

    def put(name: str, body: str = "") -> None:
        bucket.blob(name).upload_from_string(body)

    for digest in (GONE, HALF, USED, BUSY):
        put(f"bundles/{digest}/model/model.onnx")
    for digest in (GONE, USED, BUSY):
        put(f"bundles/{digest}/model/manifest.json")
    put(f"bundles/{GONE}/used-by/planted--v0-99999999")
    put(f"bundles/{USED}/used-by/planted-used--{NAME}", "europe-west1")
    for name in ("bundles/readme.txt", f"bundles/{GONE}/theirs.txt", "theirs/model.onnx"):
        put(name)

    def theirs() -> list[str]:
        names = [blob.name for blob in store.client.list_blobs(store.bucket)]
        return sorted(name for name in names if _is_theirs(name))

    return theirs


def _is_theirs(name: str) -> bool:
    return any(word in name for word in ("their", "readme", USED))


def _azure(target: Any) -> Planted:
    from azure.ai.ml.entities import Environment, Model

    client, bundles = target.account.client, target.notes.bundles

    def model(name: str, digest: str, *marks: str) -> None:
        folder = f"tridock/{'models' if marks else 'theirs'}/{digest}/model"
        path = f"{target.store._address()}/paths/{folder}"
        with bundles.container("blobs:upload") as container:
            container.upload_blob(f"{folder}/model.onnx", b"x", overwrite=True)
        tags = {"digest": digest, **{f"used-by-{one}": "1" for one in marks}} if marks else {}
        client.models.create_or_update(Model(name=name, version="7", path=path, tags=tags))

    model("tridock-planted", GONE, "planted")
    model("tridock-planted-busy", BUSY, "planted-busy")
    model("tridock-theirs", USED)
    for name in ("tridock", "theirs"):
        client.environments.create_or_update(
            Environment(name=name, version="planted", image="kit.azurecr.io/kit:1")
        )
    with bundles.container("blobs:upload") as container:
        for name in (f"tridock/models/{HALF}/model/model.onnx", "tridock/models/readme.txt"):
            container.upload_blob(name, b"x", overwrite=True)

    def theirs() -> list[str]:
        named = [*client.models.list(), *client.environments.list()]
        with bundles.container("blobs:list") as container:
            blobs = [name for name in container.list_blob_names() if "readme" in name]
        return sorted([*(one.name for one in named if "their" in one.name), *blobs])

    ours = {"mark of use tridock-planted:7/planted", "model version tridock-planted:7"}
    ours |= {"environment version tridock:planted", f"stored bundle {HALF}"}
    busy = {
        "mark of use tridock-planted-busy:7/planted-busy",
        "model version tridock-planted-busy:7",
    }
    return Planted(frozenset(ours), frozenset(busy), theirs)


def _blobs(target: Any) -> Planted:
    bundles, root = target.bundles, "tridock/bundles"
    with bundles.container("blobs:upload") as container:
        for name in (
            *(f"{root}/{digest}/model/model.onnx" for digest in (GONE, HALF, BUSY)),
            *(f"{root}/{digest}/model/manifest.json" for digest in (GONE, BUSY)),
            *(f"{root}/{GONE}/used-by/planted--{name}" for name in (NAME, "v0-99999999")),
            f"{root}/{BUSY}/used-by/planted-busy--{NAME}",
            *("tridock/readme.txt", f"{root}/readme.txt", f"{root}/{GONE}/theirs.txt"),
        ):
            container.upload_blob(name, b"x", overwrite=True)

    def theirs() -> list[str]:
        with bundles.container("blobs:list") as container:
            return sorted(name for name in container.list_blob_names() if _is_theirs(name))

    return Planted(frozenset(_STORED), _busy(), theirs)


def _local(target: Any) -> Planted:
    folder: Path = target.folder
    for name in (GONE, "tmpabcd1234", "theirs"):
        (folder / "bundles" / name).mkdir(parents=True)
    for name in ("planted", "planted-busy"):
        (folder / "servers" / name).mkdir(parents=True)

    def theirs() -> list[str]:
        return sorted(path.name for path in folder.glob("*/their*"))

    ours = {f"stored bundle {GONE}", "half stored bundle tmpabcd1234", "log folder planted"}
    return Planted(frozenset(ours), frozenset({"log folder planted-busy"}), theirs)


def _busy(*others: str) -> frozenset[str]:
    mark = f"mark of use {BUSY}/planted-busy--{NAME}"
    return frozenset({mark, f"stored bundle {BUSY}", *others})


def names(orphans: Any) -> Iterator[str]:
    """Yield what is planted among leftovers."""
    marks = ("planted", GONE, HALF, USED, BUSY, "tmpabcd1234")
    yield from (str(one) for one in orphans if any(mark in one.name for mark in marks))
