"""Steps of an update, and who gets which request."""

from __future__ import annotations

import math
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.dataplane.configs import Config
from tridock.emulators.aws.dataplane.live import (
    Generation,
    Instance,
    Key,
    Live,
    Share,
    UnknownVariantError,
    choose,
)
from tridock.emulators.aws.protocol.errors import ValidationError
from tridock.emulators.aws.sagemaker.endpoints import Retention
from tridock.emulators.aws.sagemaker.policies import Plan, Step, read_plan
from tridock.inference.process.model_server import ModelServer


def routing(kind: str, **more: Any) -> dict[str, Any]:
    given = {"Type": kind, "WaitIntervalInSeconds": 60, **more}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": given}}


def size(value: int, kind: str = "CAPACITY_PERCENT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def test_without_a_config_all_traffic_moves_at_once() -> None:
    assert read_plan(None, 1) == Plan((Step(100, 0),))


def test_all_at_once_bakes_after_the_shift() -> None:
    assert read_plan(routing("ALL_AT_ONCE"), 1).steps == (Step(100, 60),)


def test_a_canary_has_two_steps() -> None:
    canary = routing("CANARY", CanarySize=size(10))
    assert [step.percent for step in read_plan(canary, 1).steps] == [10, 100]


def test_a_size_in_instances_is_a_share_of_the_fleet() -> None:
    canary = routing("CANARY", CanarySize=size(1, "INSTANCE_COUNT"))
    assert [step.percent for step in read_plan(canary, 4).steps] == [25, 100]


def test_waits_timeouts_and_alarms_are_read() -> None:
    given = routing("ALL_AT_ONCE")
    given["BlueGreenUpdatePolicy"] |= {
        "TerminationWaitInSeconds": 30,
        "MaximumExecutionTimeoutInSeconds": 600,
    }
    given["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}
    assert read_plan(given, 1) == Plan((Step(100, 60),), 30, 600, ("a", "b"))
    assert read_plan(routing("ALL_AT_ONCE"), 1).timeout == math.inf


@given(st.integers(10, 50), st.booleans())
def test_ladders_climb_evenly_to_the_top(percent: int, is_rolling: bool) -> None:
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": size(percent)}}
    rolling["RollingUpdatePolicy"]["WaitIntervalInSeconds"] = 5  # type: ignore[assignment]
    linear = routing("LINEAR", LinearStepSize=size(percent))
    steps = [step.percent for step in read_plan(rolling if is_rolling else linear, 1).steps]
    assert steps[-1] == 100
    assert steps == sorted(set(steps))
    assert all(upper - lower <= percent for lower, upper in zip([0, *steps], steps, strict=False))


def test_a_canary_without_a_size_is_refused() -> None:
    with pytest.raises(ValidationError, match="CanarySize is required"):
        read_plan(routing("CANARY"), 1)


def generation(*names: str) -> Generation:
    def never() -> ModelServer:
        raise AssertionError("nothing crashed")

    server: Any = None
    pool = urllib3.HTTPConnectionPool("127.0.0.1", 1)
    made = {name: Instance(name, f"i-{name}", server, pool, never) for name in names}
    return Generation(Config("c", (), (), {}), made)


weights = st.lists(st.floats(0, 1e6), min_size=2, max_size=2).filter(any)


@given(weights, st.floats(0, 1, exclude_max=True))
def test_a_variant_without_weight_is_never_chosen(given: list[float], point: float) -> None:
    share = Share(100, generation("A", "B"), dict(zip("AB", given, strict=True)))
    chosen = choose((share,), dice=lambda: point).instance.variant
    assert share.weights[chosen] > 0


def test_the_generation_is_chosen_by_percent() -> None:
    route = (Share(25, generation("NEW"), {}), Share(75, generation("OLD"), {}))
    assert choose(route, dice=lambda: 0.24).instance.variant == "NEW"
    assert choose(route, dice=lambda: 0.26).instance.variant == "OLD"


def test_a_target_is_found_in_the_generation_that_has_it() -> None:
    route = (Share(1, generation("NEW"), {}), Share(99, generation("OLD"), {}))
    assert choose(route, "NEW", dice=lambda: 0.99).instance.variant == "NEW"
    with pytest.raises(UnknownVariantError):
        choose(route, "NONE")


def test_an_instance_is_not_idle_while_it_is_leased() -> None:
    live, key = Live(), Key("1", "here", "e")
    live.put(key, (Share(100, generation("A"), {}),))
    with live.lease(key, None) as held:
        assert held is not None
        assert not held.instance.wait_idle(0)
        live.pop(key)
    assert held.instance.wait_idle(0)
    with live.lease(key, None) as nothing:
        assert nothing is None


def test_retained_properties_are_the_old_ones() -> None:
    asked: dict[str, Any] = {
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
    }
    kept = Retention.read(asked.get)
    old = [{"VariantName": "V", "DesiredWeight": 7, "DesiredInstanceCount": 3}]
    fresh = [
        {"VariantName": "V", "DesiredWeight": 1, "CurrentWeight": 1, "DesiredInstanceCount": 1},
        {"VariantName": "W", "DesiredWeight": 2},
    ]
    first, second = kept.variants(fresh, old)
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (7, 3)
    assert second == fresh[1]
    assert kept.capture({"new": 1}, {"old": 1}) == {"new": 1}
    assert Retention().variants(fresh, old) == fresh
