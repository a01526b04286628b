"""Another size, image or count of the same bundle is never ignored: anew beside it, or in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import (
    ENDPOINT,
    name_of,
    order_of,
    released,
    stage_of,
    true_answers,
)
from tridock.deploy.cli.session import Session
from tridock.deploy.config.load import load
from tridock.deploy.progress import Progress
from tridock.deploy.rollout.plan import plan
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.target import plugins
from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.records import Endpoint, deployment_name
from tridock.deploy.waiting.retry import retrying
from tridock.inference.bundle.bundle import Bundle

CLOUDS = ("aws", "gcp", "azure")
#: Settings of each cloud that say where, or how traffic moves, and not what runs.
ELSEWHERE = {
    "aws": {"region", "bucket", "alarms", "alarm_seconds", "count"},
    "gcp": {"service", "project", "location", "bucket", "count"},
    "azure": {"service", "subscription", "group", "workspace", "environment", "count"},
}
FIXED = {"scaling again": "a revision cannot be changed"}


@pytest.fixture
def target(v1: Bundle, v2: Bundle, v3: Bundle) -> MemoryTarget:
    answers = true_answers(v1, v2, v3)
    return MemoryTarget(answer=lambda name, body: answers[body])


def name(
    bundle: Bundle,
    cloud: str,
    given: Mapping[str, str] | None = None,
    *,
    limits: Mapping[str, str] | None = None,
) -> str:
    """Name the deployment that a configuration asks for."""
    config = load(None, {"target": cloud, **(given or {})}, {})
    opened = retrying(MemoryTarget(limits=limits or {}))
    session = Session(config, plugins.find(cloud), opened, False, Progress())
    return session.order(bundle).wanted.name


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_setting_that_changes_what_runs_makes_another_deployment(
    cloud: str, v1: Bundle
) -> None:
    plain = name(v1, cloud)
    assert plain == name_of(v1)
    settings = plugins.find(cloud).settings
    others = {
        setting: name(v1, cloud, {f"{cloud}.{setting}": "7"})
        for setting in set(settings) - ELSEWHERE[cloud]
    }
    assert {"image", "instance"} < set(others)
    assert len({plain, *others.values()}) == len(others) + 1
    for one in others.values():
        assert one.startswith(f"{plain}-")
    for setting in ELSEWHERE[cloud] - {"service"}:
        assert name(v1, cloud, {f"{cloud}.{setting}": "7"}) == plain
    same = settings["instance"].default
    assert name(v1, cloud, {f"{cloud}.instance": same}) == plain


def test_a_server_that_may_not_unpickle_is_another_deployment(v1: Bundle) -> None:
    assert name(v1, "local", {"allow_pickle": "false"}) != name(v1, "local")


def test_count_and_scaling_make_another_deployment_only_where_they_cannot_be_changed(
    v1: Bundle,
) -> None:
    scaled = {"scaling.maximum": "3", "scaling.target": "70"}
    counted = {"gcp.count": "3"}
    assert name(v1, "gcp", counted) == name(v1, "gcp", scaled) == name_of(v1)
    fixed = {name(v1, "gcp", given, limits=FIXED) for given in (counted, scaled)}
    assert len(fixed | {name_of(v1)}) == 3


@pytest.mark.parametrize(
    "version", ["1", "2026.11.30-rc1+build.77.of.a.long.name", "1-2-3-4-5-6-7"]
)
def test_a_name_with_settings_fits_every_cloud(version: str) -> None:
    found = deployment_name(version, "abcdef0123456789", {"instance": "large"})
    assert len(found) <= 29
    assert "--" not in found
    assert found[-14:-4] == "-abcdef01-"


def sized(bundle: Bundle, instance: str, count: int = 1) -> ReleaseRequest:
    """Return a release of a bundle on another size."""
    order = order_of(bundle)
    name = deployment_name(bundle.version, bundle.digest, {"instance": instance})
    return replace(order, wanted=replace(order.wanted, name=name, instance=instance, count=count))


def sized_up(target: MemoryTarget, bundle: Bundle, order: ReleaseRequest) -> Endpoint:
    return release(stage_of(target, bundle), bundle, order)


def test_another_size_is_released_beside_the_old_one_judged_and_taken_back(
    target: MemoryTarget, v1: Bundle
) -> None:
    released(target, v1)
    order = sized(v1, "large")
    steps = plan(order, target.describe(ENDPOINT), None).steps
    assert steps[0] == (
        f"deploy {order.wanted.name} on 1 x large: the bundle of {name_of(v1)} with other settings"
    )
    assert len(steps) == 4
    asked = target.calls.count("invoke")
    found = sized_up(target, v1, order)
    assert found.traffic == {order.wanted.name: 100}
    assert {one.instance for one in found.deployments.values()} == {"", "large"}
    assert target.calls.count("invoke") == asked + 15
    assert target.artifacts == {v1.digest}
    back = rollback(stage_of(target, v1), ENDPOINT, order_of(v1).deadline)
    assert back.traffic == {name_of(v1): 100}
    assert sized_up(target, v1, order_of(v1)).traffic == {name_of(v1): 100}


def test_another_count_is_set_in_place_and_planned_so(target: MemoryTarget, v1: Bundle) -> None:
    released(target, v1)
    order = order_of(v1)
    order = replace(order, wanted=replace(order.wanted, count=3))
    step = f"resize {name_of(v1)}, in place: 1 to 3 instances"
    assert plan(order, target.describe(ENDPOINT), None).steps == (step,)
    target.calls.clear()
    found = sized_up(target, v1, order)
    assert found.deployments[name_of(v1)].count == 3
    assert target.calls.count("resize") == 1
    assert not {"set_traffic", "invoke"} & set(target.calls)
    sized_up(target, v1, order)
    assert target.calls.count("resize") == 1
    assert plan(order, target.describe(ENDPOINT), None).steps == ()


def test_a_deployment_that_runs_other_settings_than_its_name_says_is_a_conflict(
    target: MemoryTarget, v1: Bundle
) -> None:
    released(target, v1)
    order = order_of(v1)
    with pytest.raises(ConflictError):
        sized_up(target, v1, replace(order, wanted=replace(order.wanted, image="other")))
    assert target.describe(ENDPOINT).traffic == {name_of(v1): 100}
