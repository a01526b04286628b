from __future__ import annotations

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import ENDPOINT, Hands, Told, name_of, released, true_answers
from tridock.deploy.rollout.request import Rollout
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.target.errors import DeployError
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture
def target(v1: Bundle, v2: Bundle, v3: Bundle) -> MemoryTarget:
    answers = true_answers(v1, v2, v3)
    return MemoryTarget(answer=lambda name, body: answers[body])


def rolled_back(target: MemoryTarget) -> Endpoint:
    stage = Rollout(target, say=Told().progress())
    return rollback(stage, ENDPOINT, Deadline.after(60, Hands().clock()))


def test_all_traffic_goes_to_the_release_before(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    assert rolled_back(target).traffic == {name_of(v1): 100}


def test_in_the_middle_of_a_canary_the_old_one_is_the_release_before(
    target: MemoryTarget, v1: Bundle, v2: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    target.traffic[ENDPOINT] = {name_of(v1): 90, name_of(v2): 10}
    assert rolled_back(target).traffic == {name_of(v1): 100}


def test_a_release_after_a_rollback_keeps_what_served(
    target: MemoryTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    released(target, v1)
    released(target, v2)
    rolled_back(target)
    assert set(released(target, v3).deployments) == {name_of(v1), name_of(v3)}
    assert rolled_back(target).traffic == {name_of(v1): 100}


def test_with_nothing_before_it_says_what_can_be_done(target: MemoryTarget, v1: Bundle) -> None:
    released(target, v1)
    with pytest.raises(DeployError, match=r"nothing to go back to.*traffic NAME=100"):
        rolled_back(target)
    assert target.describe(ENDPOINT).traffic == {name_of(v1): 100}
