"""Orphans in SageMaker and its bucket: resources with our marks that serve nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tridock.deploy.aws import names
from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.reading import Reading
from tridock.deploy.aws.scaling import Scalings
from tridock.deploy.aws.store import PREFIX, Store
from tridock.deploy.target.errors import ConflictError, NotFoundError, PermissionDeniedError
from tridock.deploy.target.records import Orphan

CONFIG, MODEL, SCALING = "endpoint configuration", "model", "scalable target"
MARK, BUNDLE = "mark of use", "stored bundle"

#: ``<digest>/model.tar.gz``, or ``<digest>/used-by/<model>``: all else below is not ours.
ARCHIVE = re.compile(r"([0-9a-f]{64})/model\.tar\.gz")
USE = re.compile(r"([0-9a-f]{64})/used-by/([a-z0-9-]+--[a-z0-9-]+)")


@dataclass(frozen=True)
class Thing:
    """A model or a configuration, as a list shows it."""

    name: str
    arn: str
    created: datetime

    @property
    def endpoint(self) -> str:
        """Endpoint that it would belong to."""
        return self.name.partition("--")[0]


@dataclass(frozen=True)
class Remains:
    """Orphans of one account, region and bucket."""

    account: Account
    store: Store

    def found(self) -> Iterator[Orphan]:
        """Yield all of it: configurations, models, marks, bundles, scalable targets."""
        configs, models = self._listed("EndpointConfig"), self._listed("Model")
        ours = [config for config in configs if self._is_ours(config)]
        for each in ours:
            if each.name not in self._configs(each.endpoint):
                yield _left(CONFIG, each, "no endpoint uses it")
        theirs = [config for config in configs if config not in ours]
        going = self._idle([model for model in models if self._is_ours(model)], theirs)
        for each in going:
            yield _left(MODEL, each, "no endpoint runs it")
        yield from self._stored({model.name for model in models if model not in going})
        yield from self._scaled()

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        kinds = {CONFIG: self._end_config, MODEL: self._end_model, SCALING: self._end_scaling}
        kinds |= {MARK: self._end_mark, BUNDLE: self._end_bundle}
        kinds[orphan.kind](orphan)

    def _end_config(self, orphan: Orphan) -> None:
        _refuse_used(orphan, orphan.name in self._configs(orphan.endpoint))
        with suppress(NotFoundError), translated("sagemaker"):
            self.account.sagemaker.delete_endpoint_config(EndpointConfigName=orphan.name)

    def _end_model(self, orphan: Orphan) -> None:
        _refuse_used(orphan, orphan.name in self._models(orphan.endpoint))
        with suppress(NotFoundError), translated("sagemaker"):
            self.account.sagemaker.delete_model(ModelName=orphan.name)
        self.account.facts.forget(orphan.name)

    def _end_scaling(self, orphan: Orphan) -> None:
        variant = orphan.name.partition("/")[2]
        _refuse_used(orphan, variant in self._variants(orphan.endpoint))
        Scalings(self.account.autoscaling).end(orphan.endpoint, variant.__eq__)

    def _end_mark(self, orphan: Orphan) -> None:
        digest, _, model = orphan.name.partition("/")
        _refuse_used(orphan, self._stands(model))
        self._delete(f"{digest}/used-by/{model}")

    def _end_bundle(self, orphan: Orphan) -> None:
        keys = {each["Key"].removeprefix(PREFIX) for each in self._objects(f"{orphan.name}/")}
        _refuse_used(orphan, any(USE.fullmatch(key) for key in keys))
        self._delete(f"{orphan.name}/model.tar.gz")

    def _delete(self, key: str) -> None:
        with suppress(NotFoundError), translated("s3"):
            self.store.s3.delete_object(Bucket=self.store.bucket, Key=PREFIX + key)

    def _idle(self, models: Sequence[Thing], theirs: Sequence[Thing]) -> list[Thing]:
        """Return the models that no endpoint of ours runs, nor a configuration of others."""
        idle = [each for each in models if each.name not in self._models(each.endpoint)]
        used = {model for each in theirs for model in self._named(each)} if idle else set()
        return [each for each in idle if each.name not in used]

    def _stored(self, models: set[str]) -> Iterator[Orphan]:
        """Yield marks of models that are not there, and bundles that have no others."""
        objects = [(each["Key"].removeprefix(PREFIX), each) for each in self._objects()]
        kept = set()
        for key, each in objects:
            use = USE.fullmatch(key)
            if use and use[2] in models:
                kept.add(use[1])
            elif use:
                endpoint, why = use[2].partition("--")[0], "its model is gone"
                yield Orphan(MARK, f"{use[1]}/{use[2]}", endpoint, each["LastModified"], why)
        for key, each in objects:
            archive = ARCHIVE.fullmatch(key)
            if archive and archive[1] not in kept:
                yield Orphan(BUNDLE, archive[1], "", each["LastModified"], "no model is of it")

    def _scaled(self) -> Iterator[Orphan]:
        for endpoint, variant in Scalings(self.account.autoscaling).every():
            if variant not in self._variants(endpoint):
                yield Orphan(SCALING, f"{endpoint}/{variant}", endpoint, reason="no such variant")

    def _listed(self, kind: str) -> list[Thing]:
        operation: Any = {"EndpointConfig": "list_endpoint_configs", "Model": "list_models"}[kind]
        with translated("sagemaker"):
            pages: Any = list(self.account.sagemaker.get_paginator(operation).paginate())
        resources = [each for page in pages for each in page[f"{kind}s"]]
        response = (f"{kind}Name", f"{kind}Arn", "CreationTime")
        return [Thing(*(resource[name] for name in response)) for resource in resources]

    def _is_ours(self, thing: Thing) -> bool:
        """Decide by its tag; what we may not read belongs to others."""
        if "--" not in thing.name:
            return False
        with suppress(NotFoundError, PermissionDeniedError), translated("sagemaker"):
            tags = self.account.sagemaker.list_tags(ResourceArn=thing.arn)["Tags"]
            return {tag["Key"]: tag["Value"] for tag in tags}.get(names.ENDPOINT) == thing.endpoint
        return False

    def _named(self, config: Thing) -> set[str]:
        """Return the models that a configuration of others names."""
        with suppress(NotFoundError), translated("sagemaker"):
            response: Any = self.account.sagemaker.describe_endpoint_config(
                EndpointConfigName=config.name
            )
            variants = (
                *response["ProductionVariants"],
                *response.get("ShadowProductionVariants", ()),
            )
            return {variant.get("ModelName", "") for variant in variants}
        return set()

    def _configs(self, endpoint: str) -> set[str]:
        reading = self._look(endpoint)
        return reading.configs if reading else set()

    def _models(self, endpoint: str) -> set[str]:
        reading = self._look(endpoint)
        return reading.models if reading else set()

    def _variants(self, endpoint: str) -> set[str]:
        reading = self._look(endpoint)
        every = (*reading.variants, *reading.shadows, *reading.pending) if reading else ()
        return {each["VariantName"] for each in every}

    def _look(self, endpoint: str) -> Reading | None:
        with suppress(NotFoundError):
            return Reading.of(self.account.facts, endpoint)
        return None

    def _stands(self, model: str) -> bool:
        with suppress(NotFoundError), translated("sagemaker"):
            self.account.sagemaker.describe_model(ModelName=model)
            return True
        return False

    def _objects(self, below: str = "") -> list[Any]:
        pages = self.store.s3.get_paginator("list_objects_v2")
        with translated("s3"):
            listed = list(pages.paginate(Bucket=self.store.bucket, Prefix=PREFIX + below))
        return [each for page in listed for each in page.get("Contents", ())]


def _left(kind: str, thing: Thing, reason: str) -> Orphan:
    return Orphan(kind, thing.name, thing.endpoint, thing.created, reason)


def _refuse_used(orphan: Orphan, used: bool) -> None:
    if used:
        raise ConflictError(f"{orphan} is used again")
