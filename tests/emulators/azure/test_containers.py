"""The vendor's management clients judge the emulated Container Apps and Container Instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulators.azure.conftest import Facts, RunScript
from tridock.emulators.azure.core.signature import Signatures

PREDICTED = {"predictions": [0]}


@pytest.fixture(scope="module")
def facts(run_script: RunScript, iris: Path, signatures: Signatures) -> Facts:
    """What an ordinary script saw: nothing in it knows of an emulator."""
    return run_script("containers.py", iris, signatures.sign(permissions="rl"))


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("environment", "Succeeded"),
        ("while it is made", "InProgress"),
        ("made", "Succeeded"),
        ("revisions", {"iris--blue": ["Running", 100], "iris--green": ["Running", 0]}),
        ("split", [30, 70]),
        ("off", [False, 404]),
        ("left", []),
    ],
)
def test_an_app_passes_through_its_states(facts: Facts, what: str, seen: Any) -> None:
    assert facts[what] == seen


def test_the_app_and_each_revision_answer_from_bundles_read_by_identity_and_by_signature(
    facts: Facts,
) -> None:
    assert facts["answers"] == [PREDICTED] * 3


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("busy", [409, "ContainerAppOperationInProgress"]),
        ("sum", [400, "ContainerAppInvalidTrafficWeight"]),
        ("ghost", [400, "ContainerAppInvalidTraffic"]),
        ("suffix", [400, "ContainerAppRevisionSuffixInUse"]),
    ],
)
def test_mistakes_are_refused(facts: Facts, mistake: str, said: list[object]) -> None:
    assert facts[mistake] == said


def test_a_revision_scales_to_zero_wakes_for_a_request_and_follows_what_is_in_flight(
    facts: Facts,
) -> None:
    assert facts["asleep"] == [0, "ScaledToZero"]
    assert facts["woken"] == [PREDICTED, [1, "Running"]]
    assert facts["busy replicas"] == [2, "Running"]


def test_a_revision_that_does_not_come_up_fails_and_says_why(facts: Facts) -> None:
    assert facts["broken"] != "nothing"
    assert facts["failed"] == ["Failed", True]


def test_the_log_stream_needs_the_apps_token(facts: Facts) -> None:
    assert facts["log"] == [2, 401]


def test_a_container_group_answers_at_its_port_without_tls_and_is_deleted(facts: Facts) -> None:
    assert facts["group"] == ["Succeeded", "Running"]
    assert facts["group answers"] == PREDICTED
    assert facts["other port"] == 503
    assert facts["group log"]
    assert facts["groups left"] == []


def test_secure_values_are_not_told(facts: Facts) -> None:
    assert facts["secret"] is None
