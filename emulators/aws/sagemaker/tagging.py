"""Tags: a key stands once and its newest value holds; what cannot be tagged says so.

Source: "AddTags", API reference: it "adds or overwrites one or more tags", at most 50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sagemaker.models import SageMakerModelBackend

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.packages import refuse_tags
from tridock.emulators.aws.protocol.errors import AwsError, ValidationError

MOST = 50


def install(cloud: Cloud) -> None:
    """Complete moto's tags."""
    find = SageMakerModelBackend._get_resource_from_arn
    SageMakerModelBackend._get_resource_from_arn = _found(find)  # type: ignore[method-assign]
    SageMakerModelBackend.add_tags = add_tags  # type: ignore[method-assign]


def add_tags(
    self: SageMakerModelBackend, arn: str, tags: list[dict[str, str]]
) -> list[dict[str, str]]:
    """Add tags, in the place of those with the same keys; all of them or none."""
    resource = self._get_resource_from_arn(arn)
    standing = {tag["Key"]: tag for tag in [*(resource.tags or ()), *tags]}
    if len(standing) > MOST:
        raise AwsError("ResourceLimitExceeded", f"{arn} has more than {MOST} tags.", status=400)
    resource.tags = list(standing.values())
    return list(resource.tags)


def _found(find: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse what is not there (moto fails with an attribute of None)."""

    def _get_resource_from_arn(self: SageMakerModelBackend, arn: str) -> Any:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind == "model-package" and "/" in name:
            refuse_tags()
        try:
            found = find(self, arn)
        except (AttributeError, ValueError):  # a kind that has no tags here
            found = None
        if found is None:
            raise ValidationError(f'Could not find {kind} "{arn}".')
        return found

    return _get_resource_from_arn
