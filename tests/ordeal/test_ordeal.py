"""A sample of the ordeal: `make ordeal` strikes at every call, in every way."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.ordeal.__main__ import prepared
from tests.ordeal.points import Point
from tests.ordeal.together import a_release_in_a_rollback, two_releases
from tests.ordeal.trial import Ordeal


@pytest.fixture(scope="module", params=["local", "aws"])
def ordeal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ordeal]:
    """A target on which a client's requests are answered and releases are struck."""
    folder = tmp_path_factory.mktemp(f"ordeal-{request.param}")
    with prepared(folder, request.param, "canary") as ordeal:
        yield ordeal


#: What is done to a release at the n-th call of a name, by target. The second configuration is
#: made to take the oldest deployment away: stale reads had the configuration in use deleted.
STRIKES = {
    "local": [
        ("kill-after", "deploy", 1),
        ("kill-before", "set_traffic", 1),
        ("drop-after", "undeploy", 1),
    ],
    "aws": [
        ("kill-after", "UpdateEndpoint", 1),
        ("drop-after", "UpdateEndpoint", 1),
        ("stale", "CreateEndpointConfig", 2),
    ],
}


def test_a_release_that_is_struck_ends_as_if_nothing_had_happened(ordeal: Ordeal) -> None:
    for kind, call, nth in STRIKES[ordeal.arena.name]:
        result = ordeal.strike(kind, Point(call, nth))
        assert result.met, (kind, call)
        assert not result.problems, "\n".join(result.problems)
        assert not result.orphans
    assert ordeal.client.sent
    assert not ordeal.client.failed


@pytest.mark.parametrize("ordeal", ["aws"], indirect=True)
def test_a_release_that_was_killed_is_rolled_back_and_then_done(ordeal: Ordeal) -> None:
    call = "UpdateEndpointWeightsAndCapacities"
    result = ordeal.strike("kill-after", Point(call), back=True)
    assert result.met
    assert not result.problems, "\n".join(result.problems)
    assert not result.orphans


@pytest.mark.parametrize("ordeal", ["local"], indirect=True)
def test_one_of_two_changes_at_once_is_done_and_the_other_is_told_of_it(ordeal: Ordeal) -> None:
    both = a_release_in_a_rollback(ordeal), two_releases(ordeal)
    sys.stdout.write("\n".join(map(str, both)))  # pytest -s shows what each prints
    for told, what in zip(both, ("rollback", "release of ordeal"), strict=True):
        assert (told.first.code, told.second.code) == (0, 4), str(told)
        assert "ordeal is being changed: " + what in told.second.said
        assert ", since 2" in told.second.said
