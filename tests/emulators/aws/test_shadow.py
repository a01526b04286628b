"""Shadow variants: they see requests, nobody sees their answers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import Aws, Hosting, eventually, variant


def test_a_shadow_gets_copies_and_its_answers_are_dropped(aws: Aws, hosting: Hosting) -> None:
    shadow = [variant("S", "tree")]
    name = hosting.serve(variant("V", "logistic"), ShadowProductionVariants=shadow)
    described = hosting.describe(name)
    assert [one["VariantName"] for one in described["ShadowProductionVariants"]] == ["S"]
    assert set(hosting.answered_by(name, 10)) == {"V"}
    logs, group = aws.client("logs"), f"/aws/sagemaker/Endpoints/{name}"
    eventually(
        lambda: logs.filter_log_events(logGroupName=group)["events"],
        lambda events: len([event for event in events if _is_copy(event)]) == 10,
    )


def test_one_production_and_one_shadow_variant_are_the_rule(hosting: Hosting) -> None:
    two: list[dict[str, Any]] = [variant("S", "tree"), variant("T", "tree")]
    with pytest.raises(ClientError, match="only one variant in ShadowProductionVariants"):
        hosting.config(variant("V", "logistic"), ShadowProductionVariants=two)


def _is_copy(event: dict[str, str]) -> bool:
    return event["logStreamName"].startswith("S/") and "/invocations" in event["message"]
