"""What never changes of an endpoint's parts, asked for once: configurations, models, their tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from deploy.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True)
class Model:
    """A SageMaker model: when it was made, and its tags."""

    created: datetime
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """Configurations and models by name; neither can be changed once it is made.

    Whoever waits for an endpoint asks every few seconds: what cannot have changed is not asked
    for again. SageMaker counts its Describe calls ("Amazon SageMaker endpoints and quotas").
    """

    client: SageMakerClient
    _variants: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)
    _models: dict[str, Model] = field(default_factory=dict)

    def variants(self, config: str) -> tuple[list[Any], list[Any]]:
        """Return a configuration's production variants and its shadow variants."""
        if config not in self._variants:
            with translated("sagemaker"):
                told: Mapping[str, Any] = self.client.describe_endpoint_config(
                    EndpointConfigName=config
                )
            shadows = told.get("ShadowProductionVariants", ())
            self._variants[config] = list(told["ProductionVariants"]), list(shadows)
        return self._variants[config]

    def model(self, name: str) -> Model:
        """Return a model."""
        if name not in self._models:
            with translated("sagemaker"):
                told = self.client.describe_model(ModelName=name)
                tags = self.client.list_tags(ResourceArn=told["ModelArn"])["Tags"]
            known = {tag["Key"]: tag["Value"] for tag in tags}
            self._models[name] = Model(told["CreationTime"], known)
        return self._models[name]

    def forget(self, model: str) -> None:
        """Forget a model that is deleted: its name may be made again."""
        self._models.pop(model, None)
