"""What every target must do. A new cloud is done when this passes on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.contract.conftest import MINUTE, is_resized, wanted
from tests.contract.noting import (  # noqa: F401
    key,
    notes,
    test_a_note_is_not_written_over_one_that_was_not_seen,
    test_a_note_is_written_read_replaced_and_removed,
    test_a_note_that_was_removed_is_not_written_over,
    test_of_several_writers_one_wins,
)
from tests.contract.registering import (  # noqa: F401 - here the emulators are up already
    shelf,
    test_a_bundle_is_fetched_as_it_was_registered_whatever_was_released_and_purged,
    test_a_version_is_never_another_bundle,
    test_a_version_is_pending_until_somebody_decides_and_may_be_decided_again,
    test_an_alias_names_one_version_at_a_time,
    test_nothing_is_said_of_a_version_that_is_not_there,
    test_the_same_bundle_again_is_the_version_that_stands,
    test_versions_are_listed_newest_first_with_what_their_bundles_say,
)
from tests.contract.sweeping import (  # noqa: F401
    test_of_a_planted_account_what_is_ours_goes_and_nothing_else,
    test_what_another_service_runs_of_the_same_bucket_is_not_left_over,
    test_what_nobody_runs_is_left_over_until_it_is_discarded_and_what_runs_is_not,
)
from tests.deploy import bundles
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.errors import (
    ConfigError,
    ConflictError,
    DeploymentError,
    InvokeError,
    NotFoundError,
    UnsupportedError,
)
from tridock.deploy.target.metrics import Metrics
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import METRICS, Release, Scaling, State, deployment_name
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.retry import Policy, retrying
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

SHARED, REQUEST = "contract-shared", b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
ANSWER = {"predictions": ["setosa"]}
#: Another machine size by target.
OTHER_SIZES = {"aws": "ml.m5.4xlarge", "azure": "Standard_DS4_v2", "gcp": "n1-standard-4"}
ANY = Scaling(1, 2, "requests", 70)
LIVE_REQUESTS, NAMED_REQUESTS = 4, 2


@dataclass(frozen=True)
class Pair:
    """Two deployments of one endpoint: the old one has all traffic."""

    old: Release
    new: Release


def deadline() -> Deadline:
    return Deadline.after(1800)


def bring_up(
    target: Target, endpoint: str, bundle: Bundle, scaling: Scaling | None = None
) -> Release:
    release = wanted(endpoint, bundle, target.upload(bundle), target=target)
    target.deploy(replace(release, scaling=scaling))
    wait.until_ready(target, endpoint, release.name, deadline())
    return release


def possible(target: Target) -> Scaling | None:
    """A scaling that the target can do, None if it has none."""
    can = [name for name in METRICS if f"scaling by {name}" not in target.limits]
    least = 1 if "scaling to zero" in target.limits else 0
    return None if "scaling" in target.limits else Scaling(least, 3, can[0], 70)


@pytest.fixture(scope="module")
def old(target: Target, versions: tuple[Bundle, Bundle]) -> Iterator[Release]:
    """A deployment with all traffic that the tests below share; each leaves it as it is."""
    yield bring_up(target, SHARED, versions[0])
    endpoint_changes.remove(target, SHARED, deadline())


@pytest.fixture(scope="module")
def pair(target: Target, old: Release, versions: tuple[Bundle, Bundle]) -> Pair:
    """A second deployment beside it, where the target can have one."""
    if "deployments" in target.limits:
        pytest.skip(target.limits["deployments"])
    return Pair(old, bring_up(target, SHARED, versions[1]))


def test_who_we_are_is_told(target: Target) -> None:
    assert target.identity()


def test_the_caller_is_who_the_target_says_and_not_who_the_environment_claims(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = target.caller()
    for name in ("LOGNAME", "USER", "USERNAME", "GITHUB_ACTOR"):
        monkeypatch.setenv(name, "the-cfo")
    assert target.caller() == before
    sign = {"aws": "arn:aws", "gcp": "@", "azure": "object ", "local": "uid "}.get(target.name, "")
    assert before
    assert sign in before


def test_the_same_bundle_is_stored_once(target: Target, versions: tuple[Bundle, Bundle]) -> None:
    assert target.upload(versions[0]) == target.upload(versions[0])
    assert target.upload(versions[0]) != target.upload(versions[1])


def test_what_is_absent_is_not_found_and_its_removal_succeeds(
    target: Target, endpoint: str
) -> None:
    with pytest.raises(NotFoundError):
        target.describe(endpoint)
    with pytest.raises(NotFoundError):
        target.set_traffic(endpoint, {"v1": 100})
    assert endpoint not in target.endpoints()
    target.undeploy(endpoint, "v1")
    target.delete(endpoint)
    target.purge(endpoint)


def test_the_first_deployment_has_all_traffic_and_later_ones_have_none(
    target: Target, pair: Pair
) -> None:
    found = target.describe(SHARED)
    assert found.traffic == {pair.old.name: 100}
    assert set(found.deployments) == {pair.old.name, pair.new.name}
    assert {one.state for one in found.deployments.values()} == {State.READY}


def test_a_deployment_bears_its_bundles_marks(target: Target, old: Release) -> None:
    found = target.describe(SHARED).deployments[old.name]
    assert (found.bundle, found.version, found.digest) == ("iris", "1", old.digest)
    assert found.created


def test_deployments_are_told_apart_by_their_marks_and_their_age(
    target: Target, pair: Pair
) -> None:
    deployments = target.describe(SHARED).deployments
    old, new = (deployments[one.name] for one in (pair.old, pair.new))
    assert (new.bundle, new.version, new.digest) == ("iris", "2", pair.new.digest)
    assert old.created
    assert new.created
    assert old.created < new.created


def test_a_second_deployment_is_refused_where_the_target_can_have_one_only(
    target: Target, old: Release, versions: tuple[Bundle, Bundle]
) -> None:
    if "deployments" not in target.limits:
        pytest.skip("this target can have several")
    with pytest.raises(ConflictError):
        bring_up(target, SHARED, versions[1])
    assert target.describe(SHARED).traffic == {old.name: 100}


def test_an_endpoint_of_ours_is_listed(target: Target, old: Release) -> None:
    assert SHARED in target.endpoints()


def test_the_same_release_again_is_success(target: Target, old: Release) -> None:
    target.deploy(old)
    assert wait.until_settled(target, SHARED, deadline()).traffic == {old.name: 100}


def test_the_same_name_with_other_settings_is_a_conflict(target: Target, old: Release) -> None:
    with pytest.raises(ConflictError):
        target.deploy(replace(old, image=f"{old.image}-other"))


def test_another_size_of_the_same_bundle_comes_up_beside_it(target: Target, old: Release) -> None:
    if target.name not in OTHER_SIZES or "deployments" in target.limits:
        pytest.skip("it has no sizes, or one deployment only")
    size = OTHER_SIZES[target.name]
    name = deployment_name(old.version, old.digest, {"instance": size})
    target.deploy(replace(old, name=name, instance=size))
    found = wait.until_ready(target, SHARED, name, deadline())
    assert found.traffic == {old.name: 100}
    instances = {one: each.instance for one, each in found.deployments.items()}
    assert (instances[old.name], instances[name]) == (old.instance, size)
    assert found.deployments[name].digest == old.digest
    endpoint_changes.retire(target, SHARED, name, deadline())


def test_the_number_of_instances_changes_in_place_where_it_can(
    target: Target, endpoint: str, versions: tuple[Bundle, Bundle]
) -> None:
    release = bring_up(target, endpoint, versions[0])
    if "scaling again" in target.limits or "scaling" in target.limits:
        with pytest.raises((ConflictError, ConfigError)):
            target.resize(endpoint, release.name, 2)
    else:
        for count in (2, 2, 1):
            target.resize(endpoint, release.name, count)
            found = wait.until_ready(target, endpoint, release.name, deadline())
            assert found.traffic == {release.name: 100}
            wait.until(partial(is_resized, target, release, count), deadline(), goal="resized")
        with pytest.raises(NotFoundError):
            target.resize(endpoint, "ghost", 2)
        target.resize(endpoint, release.name, 2)
        wait.until_ready(target, endpoint, release.name, deadline())
    target.deploy(release)  # with any number of instances it is the same release
    assert json.loads(target.invoke(endpoint, REQUEST)) == ANSWER


def test_traffic_moves_and_survives_the_next_deployment_and_its_removal(
    target: Target, pair: Pair
) -> None:
    split = {pair.old.name: 93, pair.new.name: 7}
    endpoint_changes.shift(target, SHARED, split, deadline())
    assert target.describe(SHARED).traffic == split
    target.deploy(replace(pair.new, name="third"))
    assert wait.until_ready(target, SHARED, "third", deadline()).traffic == split
    for _ in range(2):
        endpoint_changes.retire(target, SHARED, "third", deadline())
        found = target.describe(SHARED)
        assert found.traffic == split
        assert set(found.deployments) == {pair.old.name, pair.new.name}
    endpoint_changes.shift(target, SHARED, {pair.old.name: 100}, deadline())
    assert target.describe(SHARED).traffic == {pair.old.name: 100}


def test_traffic_to_nobody_is_not_found(target: Target, old: Release) -> None:
    with pytest.raises(NotFoundError):
        target.set_traffic(SHARED, {old.name: 90, "ghost": 10})


def test_what_has_traffic_is_not_undeployed(target: Target, old: Release) -> None:
    with pytest.raises(ConflictError):
        target.undeploy(SHARED, old.name)


def test_requests_are_answered_by_the_endpoint(target: Target, old: Release) -> None:
    for name in (None, old.name):
        assert json.loads(target.invoke(SHARED, REQUEST, deployment=name)) == ANSWER


def test_requests_are_answered_by_each_deployment(target: Target, pair: Pair) -> None:
    for name in (pair.old.name, pair.new.name):
        answer = json.loads(target.invoke(SHARED, REQUEST, deployment=name))
        assert answer == ANSWER


def test_copies_of_requests_reach_a_deployment_whose_answers_nobody_sees(
    target: Target, pair: Pair
) -> None:
    if "shadow" in target.limits:
        with pytest.raises(UnsupportedError):
            target.shadow(SHARED, pair.new.name, 50)
        return
    with pytest.raises(ConflictError):
        target.shadow(SHARED, pair.old.name, 50)
    for percent in (50, 50, 0, 0):
        endpoint_changes.copy(target, SHARED, pair.new.name, percent, deadline())
        found = target.describe(SHARED)
        assert found.shadow == ({pair.new.name: percent} if percent else {})
        assert found.traffic == {pair.old.name: 100}
        assert found.deployments[pair.new.name].state is State.READY
        assert json.loads(target.invoke(SHARED, REQUEST)) == ANSWER
        if percent:
            with pytest.raises(ConflictError):
                target.undeploy(SHARED, pair.new.name)


def test_nothing_was_measured_of_the_future(target: Target, old: Release) -> None:
    target.invoke(SHARED, REQUEST)
    later = datetime.now(UTC) + timedelta(days=1)
    found = target.metrics(SHARED, old.name, later)
    assert found is None or (found.requests, found.errors, found.latency_p95_ms) == (0, 0, None)
    assert not target.answers(SHARED, old.name, later)


def test_live_requests_are_measured_and_a_callers_mistake_is_no_error(
    target: Target, old: Release
) -> None:
    if target.name == "memory":
        pytest.skip("it serves nothing")
    time.sleep(MINUTE)  # what was asked before is of another minute
    since = datetime.now(UTC)
    if target.metrics(SHARED, old.name, since) is None:
        pytest.skip("this target does not tell")
    time.sleep(MINUTE)  # what is asked now is of a minute that begins after
    for _ in range(LIVE_REQUESTS - 1):
        target.invoke(SHARED, REQUEST)
    with pytest.raises(InvokeError):
        target.invoke(SHARED, b'{"instances": [[1]]}')
    for _ in range(NAMED_REQUESTS):
        target.invoke(SHARED, REQUEST, deployment=old.name)
    found = settled(lambda: target.metrics(SHARED, old.name, since) or Metrics())
    # Who asks Google when its minute ends may count the last of its own one minute too late.
    most = {"local": LIVE_REQUESTS, "gcp": LIVE_REQUESTS + 1}
    assert LIVE_REQUESTS <= found.requests <= most.get(target.name, LIVE_REQUESTS + NAMED_REQUESTS)
    assert found.errors == 0
    if "latency" in target.limits:
        assert found.latency_p95_ms is None
    else:
        assert 0 < (found.latency_p95_ms or 0) < 60_000


def settled(look: Callable[[], Metrics]) -> Metrics:
    """Look until enough was measured, and no more comes: a cloud shows a minute when it is over."""
    until = deadline()
    before, found = Metrics(), look()
    while found.requests < LIVE_REQUESTS or found != before:
        assert until.left() > 0, found
        time.sleep(3 * MINUTE)
        before, found = found, look()
    return found


def test_a_bad_request_is_told_with_the_model_servers_status(target: Target, old: Release) -> None:
    with pytest.raises(InvokeError) as caught:
        target.invoke(SHARED, b'{"instances": [[1]]}')
    assert caught.value.status == 400


def test_a_server_that_may_not_unpickle_refuses_a_pickle(
    target: Target, endpoint: str, tmp_path: Path
) -> None:
    if target.name == "memory":
        pytest.skip("it serves nothing")
    bundle = bundles.good(tmp_path / "bundle", "3", compiled=False)
    release = wanted(endpoint, bundle, target.upload(bundle), target=target)
    target.deploy(replace(release, allow_pickle=False))
    with pytest.raises(DeploymentError) as failed:
        wait.until_ready(target, endpoint, release.name, deadline())
    # Not every cloud repeats the container's last words: some leave them in its log.
    told = str(failed.value)
    if "is a pickle" not in told:
        told = "\n".join(target.logs(endpoint, release.name, lines=40))
    assert "model.joblib is a pickle" in told


def test_logs_of_a_deployment_end_with_its_last_lines(target: Target, old: Release) -> None:
    assert len(target.logs(SHARED, old.name, lines=1)) == 1
    assert target.logs(SHARED, "ghost") == ()


def test_a_scaling_that_the_target_cannot_do_is_refused(target: Target, old: Release) -> None:
    with pytest.raises((ConfigError, ConflictError, NotFoundError)):
        target.scale(SHARED, old.name if "scaling" in target.limits else "ghost", ANY)


def test_a_change_that_is_under_way_is_waited_for(
    target: Target, endpoint: str, versions: tuple[Bundle, Bundle]
) -> None:
    patient = retrying(target, Policy(first=0.1, longest=1.0))
    release = bring_up(patient, endpoint, versions[0])
    for _ in range(2):  # nobody waits in between
        patient.set_traffic(endpoint, {release.name: 100})
    patient.delete(endpoint)
    endpoint_changes.remove(patient, endpoint, deadline())
    with pytest.raises(NotFoundError):
        target.describe(endpoint)


def test_a_deployment_scales_and_a_deleted_endpoint_is_gone_and_can_be_made_again(
    target: Target, endpoint: str, versions: tuple[Bundle, Bundle]
) -> None:
    scaling = possible(target)
    release = bring_up(target, endpoint, versions[0], scaling)
    for _ in range(2):
        target.scale(endpoint, release.name, scaling)
        assert target.describe(endpoint).deployments[release.name].scaling == scaling
    if "scaling again" in target.limits:
        with pytest.raises(ConflictError):
            target.scale(endpoint, release.name, None)
    else:
        target.scale(endpoint, release.name, None)
        assert target.describe(endpoint).deployments[release.name].scaling is None
        target.scale(endpoint, release.name, scaling)
    for _ in range(2):
        endpoint_changes.remove(target, endpoint, deadline())
        with pytest.raises(NotFoundError):
            target.describe(endpoint)
    bring_up(target, endpoint, versions[0])
    found = target.describe(endpoint)
    assert found.traffic == {release.name: 100}
    assert found.deployments[release.name].scaling is None
