"""Parts of an endpoint that never change, read once: configurations, models, their tags."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tridock.deploy.aws.errors import translated
from tridock.deploy.target.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

#: Seconds after a change of ours in which an answer of before it is taken for outdated.
CONSISTENT = 30.0

#: What every change of an endpoint changes: its state, its time, or its configurations.
Mark = tuple[Any, ...]


@dataclass(frozen=True)
class Model:
    """A SageMaker model: when it was made, and its tags."""

    created: datetime
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """Configurations and models by name; neither can be changed once it is made.

    Waiting for an endpoint means a call every few seconds: what cannot have changed is not read
    for again. SageMaker counts its Describe calls ("Amazon SageMaker endpoints and quotas").
    """

    client: SageMakerClient
    _variants: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)
    _models: dict[str, Model] = field(default_factory=dict)
    _changes: dict[str, tuple[Mark | None, float]] = field(default_factory=dict)

    def endpoint(self, name: str) -> DescribeEndpointOutputTypeDef:
        """Describe an endpoint, which changes: it is read each time.

        Raises
        ------
        UnavailableError
            If it shows the state before our own last change. No decision may depend on it
            what is not used any more: SageMaker lets configurations in use be deleted.
        """
        before, until = self._changes.get(name, (None, 0.0))
        is_recent = time.monotonic() < until
        try:
            with translated("sagemaker"):
                response = self.client.describe_endpoint(EndpointName=name)
        except NotFoundError as error:
            if is_recent and before is None:
                raise UnavailableError(f"{name} was made and is not shown yet: {error}") from error
            raise
        if is_recent and _mark(response) == before:
            raise UnavailableError(f"SageMaker shows {name} as it was before our last change")
        return response

    def changed(self, name: str, before: DescribeEndpointOutputTypeDef | None) -> None:
        """Note that we changed an endpoint, and how it was shown before; None: not at all."""
        self._changes[name] = (_mark(before) if before else None), time.monotonic() + CONSISTENT

    def deleted(self, name: str) -> None:
        """Note that an endpoint was deleted by us."""
        self._changes.pop(name, None)

    def variants(self, config: str) -> tuple[list[Any], list[Any]]:
        """Return a configuration's production variants and its shadow variants.

        Raises
        ------
        UnavailableError
            If it is gone: an endpoint that names it is shown as it was, or serves without one.
            It is no reason to think that there is no endpoint.
        """
        if config not in self._variants:
            try:
                with translated("sagemaker"):
                    response: Mapping[str, Any] = self.client.describe_endpoint_config(
                        EndpointConfigName=config
                    )
            except NotFoundError as error:
                raise UnavailableError(f"an endpoint's configuration is gone: {error}") from error
            shadows = response.get("ShadowProductionVariants", ())
            self._variants[config] = list(response["ProductionVariants"]), list(shadows)
        return self._variants[config]

    def model(self, name: str) -> Model:
        """Return a model."""
        if name not in self._models:
            with translated("sagemaker"):
                response = self.client.describe_model(ModelName=name)
                tags = self.client.list_tags(ResourceArn=response["ModelArn"])["Tags"]
            known = {tag["Key"]: tag["Value"] for tag in tags}
            self._models[name] = Model(response["CreationTime"], known)
        return self._models[name]

    def forget(self, model: str) -> None:
        """Forget a model that is deleted: its name may be made again."""
        self._models.pop(model, None)


def _mark(response: DescribeEndpointOutputTypeDef) -> Mark:
    pending = response.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
    shown = (
        response["EndpointStatus"],
        response["LastModifiedTime"],
        response.get("EndpointConfigName"),
    )
    return (*shown, pending)
