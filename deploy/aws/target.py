"""The verbs of `tridock.deploy.target.protocol.Target` as SageMaker calls.

Endpoint = endpoint, deployment = production variant, traffic = variant weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from typing_extensions import override

from tridock.deploy.aws import names, observability, snippets
from tridock.deploy.aws import observability as metrics
from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.models import SageMakerModels
from tridock.deploy.aws.observability import Logs
from tridock.deploy.aws.orphans import Remains
from tridock.deploy.aws.reading import Reading
from tridock.deploy.aws.scaling import Scalings
from tridock.deploy.aws.store import S3Notes, Store
from tridock.deploy.aws.updates import Guard, Updates
from tridock.deploy.target.errors import ConflictError, NotFoundError
from tridock.deploy.target.metrics import Answer, Metrics
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint, Orphan, Release, Scaling
from tridock.inference.bundle.bundle import Bundle

LIMITS = {
    "shadow beside others": "SageMaker takes a shadow variant beside one production variant, and "
    "no other: a deployment without traffic is undeployed before copies begin",
    "logs": "CloudWatch keeps an endpoint's log group after the endpoint: it is the record of "
    "what happened, and Terraform sets how long it is kept",
    "scaling by cpu": "SageMaker has no predefined metric of a variant's CPUs",
    "scaling to zero": "a variant that answers at once keeps at least one instance; SageMaker "
    "scales inference components and asynchronous endpoints to zero",
    "metrics of a registered model": "a model package has 50 properties: the first 40 metrics in "
    "the alphabet are kept in the registry, and all of them in the bundle",
    "reason": "SageMaker takes a variant that did not come up away and keeps why on the endpoint",
}


@dataclass(frozen=True)
class SageMakerTarget(Target):
    """One AWS account and region, with the bucket for bundles and the role endpoints run as.

    Attributes
    ----------
    account : Account
        The clients.
    store : Store
        The bucket's bundles.
    role : str
        ARN.
    updates : Updates
        How endpoints are changed.
    network : Mapping
        Of CreateModel, for containers that run in a network.
    image : str
        Of registered models.
    """

    account: Account
    store: Store
    role: str
    updates: Updates
    network: Mapping[str, Any] = field(default_factory=dict)
    name: ClassVar[str] = "aws"
    limits: ClassVar[Mapping[str, str]] = LIMITS
    image: str = ""

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> SageMakerTarget:
        """Return the target of `settings` by the default credential chain; nothing is called."""
        account = Account.open(settings)
        network = _network(settings)
        store = Store(account.s3, settings["bucket"])
        capture = observability.capture_config(
            store.bucket, observability.capture_percent(settings["capture"])
        )
        guard = Guard.of(settings["alarms"], settings["alarm_seconds"])
        updates = Updates(account, guard, capture)
        return cls(account, store, settings["role"], updates, network, image=settings["image"])

    @property
    @override
    def notes(self) -> S3Notes:
        return S3Notes(self.account.s3, self.store.bucket)

    @property
    @override
    def models(self) -> SageMakerModels:
        return SageMakerModels(self.account.sagemaker, self.store, self.image)

    @override
    def identity(self) -> str:
        return self.account.identity()

    @override
    def caller(self) -> str:
        return self.account.caller()

    @override
    def endpoints(self) -> Sequence[str]:
        pages = self.account.sagemaker.get_paginator("list_endpoints").paginate()
        with translated("sagemaker"):
            endpoints = [each for page in pages for each in page["Endpoints"]]
            return sorted(
                endpoint["EndpointName"]
                for endpoint in endpoints
                if self._is_ours(endpoint["EndpointArn"])
            )

    @override
    def upload(self, bundle: Bundle) -> str:
        return self.store.upload(bundle)

    @override
    def deploy(self, release: Release) -> None:
        reading = self._look(release.endpoint)
        model = names.model(release.endpoint, release.name)
        running = {one["VariantName"]: one for one in _all(reading)}
        if release.name in running:
            self._refuse_other(release, running[release.name])
            return
        if reading and reading.shadows:
            raise ConflictError(
                f"{', '.join(reading.shadow)} gets copies of requests to {release.endpoint}: "
                "SageMaker takes no other variant meanwhile"
            )
        self.store.mark(release.digest, model)
        self._make_model(model, release)
        variant = {
            "VariantName": release.name,
            "ModelName": model,
            "InstanceType": release.instance,
            "InitialInstanceCount": release.count,
            "InitialVariantWeight": 0.0 if reading else 100.0,
        }
        self.updates.configure(release.endpoint, reading, [*_weighted(reading), variant])

    @override
    def scale(self, endpoint: str, deployment: str, scaling: Scaling | None) -> None:
        reading = Reading.of(self.account.facts, endpoint)
        if deployment not in {variant["VariantName"] for variant in reading.variants}:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if scaling:
            self._scalings.put(endpoint, deployment, scaling)
        else:
            self._scalings.end(endpoint, deployment.__eq__)

    @override
    def resize(self, endpoint: str, deployment: str, count: int) -> None:
        reading = Reading.of(self.account.facts, endpoint)
        if deployment not in {variant["VariantName"] for variant in reading.variants}:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if reading.counts.get(deployment) != count:
            self.updates.resize(endpoint, reading, {deployment: count})

    @override
    def describe(self, endpoint: str) -> Endpoint:
        current = Reading.of(self.account.facts, endpoint).endpoint()
        scalings = self._scalings.of(endpoint, current.deployments)
        known = current.deployments.items()
        scaled = {name: replace(one, scaling=scalings.get(name)) for name, one in known}
        return replace(current, deployments=scaled)

    @override
    def set_traffic(self, endpoint: str, traffic: Mapping[str, int]) -> None:
        reading = Reading.of(self.account.facts, endpoint)
        running = [variant["VariantName"] for variant in reading.variants]
        unknown = sorted(set(traffic) - set(running))
        if unknown:
            raise NotFoundError(f"no deployment {', '.join(unknown)} behind {endpoint!r}")
        self.updates.weigh(endpoint, reading, traffic)

    @override
    def invoke(self, endpoint: str, body: bytes, *, deployment: str | None = None) -> bytes:
        chosen: Any = {"TargetVariant": deployment} if deployment else {}
        with self.account.own.noting(endpoint, deployment), translated("sagemaker-runtime"):
            answer = self.account.runtime.invoke_endpoint(
                EndpointName=endpoint, Body=body, ContentType="application/json", **chosen
            )
            return answer["Body"].read()

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        # A shadow variant is a variant of another kind.
        reading = Reading.of(self.account.facts, endpoint)
        variants = {one["VariantName"]: one for one in (*reading.variants, *reading.shadows)}
        if deployment not in variants:
            raise NotFoundError(f"no deployment {deployment} behind {endpoint!r}")
        if reading.traffic.get(deployment):
            raise ConflictError(f"{endpoint}/{deployment} has traffic: it cannot get copies")
        if reading.shadow.get(deployment, 0) == percent:
            return
        # A production variant that is a scalable target cannot become another kind.
        self._scalings.end(endpoint, deployment.__eq__)
        rest = [one for one in _weighted(reading) if one["VariantName"] != deployment]
        base = sum(reading.weights.values()) or 1.0
        copied = {**variants[deployment], "InitialVariantWeight": base * percent / 100}
        if percent:
            self.updates.configure(endpoint, reading, rest, [copied])
        else:
            self.updates.configure(endpoint, reading, [*rest, copied])

    @override
    def metrics(self, endpoint: str, deployment: str, since: datetime) -> Metrics:
        """CloudWatch's, by the minute."""
        return metrics.of_variant(self.account, metrics.Variant(endpoint, deployment), since)

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        # Kept by data capture, if it is switched on.
        return observability.captured(self.store, endpoint, deployment, since)

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        return tuple(Logs(self.account.logs, endpoint).tail(deployment, lines))

    @override
    def undeploy(self, endpoint: str, deployment: str) -> None:
        reading = self._look(endpoint)
        if reading and deployment in reading.shadow:
            raise ConflictError(f"{endpoint}/{deployment} gets copies of requests: end that first")
        rest = [one for one in _weighted(reading) if one["VariantName"] != deployment]
        if reading is None or len(rest) == len(reading.variants):
            return
        if reading.traffic.get(deployment):
            raise ConflictError(
                f"{endpoint}/{deployment} has {reading.traffic[deployment]} % of traffic"
            )
        if not rest:
            raise ConflictError(f"{deployment} is the last behind {endpoint}: delete the endpoint")
        # A variant that is a scalable target cannot be taken away ("Update endpoints that use auto
        # scaling", SageMaker developer guide).
        self._scalings.end(endpoint, deployment.__eq__)
        self.updates.configure(endpoint, reading, rest)

    @override
    def delete(self, endpoint: str) -> None:
        with suppress(NotFoundError), translated("sagemaker"):
            response = self.account.sagemaker.describe_endpoint(EndpointName=endpoint)
            if response["EndpointStatus"] != "Deleting":
                self._scalings.end(endpoint, lambda variant: True)
                self.account.sagemaker.delete_endpoint(EndpointName=endpoint)
        self.account.facts.deleted(endpoint)

    @override
    def purge(self, endpoint: str) -> None:
        # Configurations, models, bundles and scalings that nothing uses.
        reading, client = self._look(endpoint), self.account.sagemaker
        prefix = names.prefix(endpoint)
        for config in self._listed("list_endpoint_configs", "EndpointConfig", prefix):
            if not reading or config not in reading.configs:
                with suppress(NotFoundError), translated("sagemaker"):
                    client.delete_endpoint_config(EndpointConfigName=config)
        for model in self._listed("list_models", "Model", prefix):
            if not reading or model not in reading.models:
                with suppress(NotFoundError), translated("sagemaker"):
                    client.delete_model(ModelName=model)
                self.account.facts.forget(model)
        self.store.release(prefix, reading.models if reading else ())
        there = {one["VariantName"] for one in _all(reading)}
        self._scalings.end(endpoint, lambda variant: variant not in there)

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(Remains(self.account, self.store).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        Remains(self.account, self.store).discard(orphan)

    @override
    def snippets(self, endpoint: str, body: bytes) -> Mapping[str, str]:
        client = self.account.runtime
        return snippets.calls(
            endpoint, body, region=self.account.region, url=client.meta.endpoint_url
        )

    @property
    def _scalings(self) -> Scalings:
        return Scalings(self.account.autoscaling)

    def _look(self, endpoint: str) -> Reading | None:
        with suppress(NotFoundError):
            return Reading.of(self.account.facts, endpoint)
        return None

    def _make_model(self, model: str, release: Release) -> None:
        """Create the model; one that a run before left half-way goes first."""
        container: Any = {"Image": release.image, "ModelDataUrl": release.artifact}
        if release.variables:
            container["Environment"] = release.variables
        client = self.account.sagemaker
        with suppress(NotFoundError), translated("sagemaker"):
            client.delete_model(ModelName=model)
        self.account.facts.forget(model)
        with translated("sagemaker"):
            client.create_model(
                ModelName=model,
                ExecutionRoleArn=self.role,
                PrimaryContainer=container,
                Tags=names.tags(release),
                **self.network,
            )

    def _refuse_other(self, release: Release, variant: Mapping[str, Any]) -> None:
        with translated("sagemaker"):
            response = self.account.sagemaker.describe_model(ModelName=variant["ModelName"])
        container = response["PrimaryContainer"]
        runs = {
            "artifact": (container.get("ModelDataUrl"), release.artifact),
            "image": (container.get("Image"), release.image),
            "instance": (variant.get("InstanceType"), release.instance),
        }
        other = [
            f"{key} {value}, not {ours}" for key, (value, ours) in runs.items() if value != ours
        ]
        if other:
            raise ConflictError(
                f"{release.endpoint}/{release.name} runs with {', '.join(other)}: "
                "package the bundle under another version, or undeploy it first"
            )

    def _listed(self, operation: Any, kind: str, prefix: str) -> Iterator[str]:
        pages: Any = self.account.sagemaker.get_paginator(operation)
        with translated("sagemaker"):
            listed = list(pages.paginate(NameContains=prefix))
        for page in listed:
            named = (each[f"{kind}Name"] for each in page[f"{kind}s"])
            yield from (name for name in named if name.startswith(prefix))

    def _is_ours(self, arn: str) -> bool:
        tags = self.account.sagemaker.list_tags(ResourceArn=arn)["Tags"]
        return any(tag["Key"] == names.ENDPOINT for tag in tags)


def _network(settings: Mapping[str, str]) -> Mapping[str, Any]:
    subnets, groups = settings["subnets"].split(), settings["security_groups"].split()
    return {"VpcConfig": {"Subnets": subnets, "SecurityGroupIds": groups}} if subnets else {}


def _all(reading: Reading | None) -> list[Mapping[str, Any]]:
    return [*reading.variants, *reading.shadows, *reading.pending] if reading else []


def _weighted(reading: Reading | None) -> list[dict[str, Any]]:
    """Return the variants with today's weights: an update starts from the initial ones."""
    if reading is None:
        return []
    return [
        {**variant, "InitialVariantWeight": float(reading.traffic.get(variant["VariantName"], 0))}
        for variant in reading.variants
    ]
