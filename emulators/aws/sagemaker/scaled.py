"""What endpoints owe to Application Auto Scaling, which scales their variants."""

from __future__ import annotations

from moto.applicationautoscaling.models import applicationautoscaling_backends

from tridock.emulators.aws.dataplane.configs import Config
from tridock.emulators.aws.dataplane.live import Key
from tridock.emulators.aws.protocol.errors import ValidationError
from tridock.emulators.aws.sagemaker.records import Endpoint

_NAMESPACE, _DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"


def refuse(endpoint: Endpoint, config: Config) -> None:
    """Refuse an update that takes a scaled variant away or gives it another machine size.

    "Update endpoints that use auto scaling", SageMaker developer guide.

    Raises
    ------
    ValidationError
        Naming the variants.
    """
    before = {one["VariantName"]: one.get("InstanceType") for one in endpoint.config.variants}
    after = {one["VariantName"]: one.get("InstanceType") for one in config.variants}
    changed = [name for name in _variants(endpoint.key) if after.get(name) != before.get(name)]
    if changed:
        raise ValidationError(
            f'The variant(s) "{", ".join(changed)}" must be deregistered as a scalable target with '
            "AutoScaling before they can be removed or have their instance type updated."
        )


def forget(key: Key) -> None:
    """Deregister the variants of an endpoint that is deleted, as SageMaker does."""
    backend = applicationautoscaling_backends[key.account][key.region]
    for name in _variants(key):
        resource = f"endpoint/{key.endpoint}/variant/{name}"
        backend.deregister_scalable_target(_NAMESPACE, resource, _DIMENSION)


def _variants(key: Key) -> list[str]:
    backend = applicationautoscaling_backends[key.account][key.region]
    start = f"endpoint/{key.endpoint}/variant/"
    found = list(backend.targets.get(_DIMENSION, {}))
    return [name.removeprefix(start) for name in found if name.startswith(start)]
