"""The service's arithmetic: traffic, durations, load, tokens, patches."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.azure.core.blobs import Blobs
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.entra import MANAGEMENT_AUDIENCES, Entra
from tridock.emulators.azure.core.kind import merge
from tridock.emulators.azure.core.pool import Limits, Pool, Routes
from tridock.emulators.azure.http import errors
from tridock.emulators.azure.http.call import Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import Front
from tridock.emulators.azure.servers import traffic
from tridock.emulators.azure.servers.assets import Location
from tridock.inference.process.model_server import ModelServer

NAMES = st.sampled_from(["blue", "green", "red"])


@given(st.dictionaries(NAMES, st.integers(0, 100)))
def test_live_traffic_is_taken_if_it_sums_to_none_or_all(shares: dict[str, int]) -> None:
    try:
        traffic.check(shares, {}, ["blue", "green", "red"])
        taken = True
    except AzureError:
        taken = False
    assert taken == (sum(shares.values()) in (0, 100))


@given(st.integers(0, 100))
def test_requests_are_divided_as_traffic_says(share: int) -> None:
    random.seed(share)
    shares = {"blue": share, "green": 100 - share}
    seen = [traffic.choose(shares) for _ in range(400)]
    assert abs(seen.count("blue") / 4 - share) < 12
    assert traffic.choose({"blue": 0}) is None


@given(st.integers(0, 3), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_durations_are_read_as_written(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"P{days}DT{hours}H{minutes}M{seconds}S"
    assert errors.seconds(text, 0) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@pytest.mark.parametrize("text", ["", "5", "P", "PT", "5S"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        errors.seconds(text, 1)


def test_a_duration_that_is_not_given_has_its_default() -> None:
    assert errors.seconds(None, 5.0) == 5.0
    assert errors.seconds("PT0.5S", 5.0) == 0.5


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_pool_takes_twice_what_its_instances_may_work_on(count: int, concurrent: int) -> None:
    servers = tuple(
        ModelServer(process=None, port=port, log=Path("x"))  # type: ignore[arg-type]
        for port in range(count)
    )
    pool = Pool(servers, Routes(), Limits(concurrent=concurrent))
    assert [pool.enter() for _ in range(2 * count * concurrent)] == [True] * pool.capacity
    assert not pool.enter()
    working = [pool.take() for _ in range(count * concurrent)]
    assert all(working)
    assert pool.take() is None
    for server in working:
        assert server
        pool.give_back(server)
    for _ in range(pool.capacity):
        pool.leave()
    assert pool.is_idle


def asked(token: str) -> Call:
    return Call("GET", "/", {}, {"authorization": f"Bearer {token}"}, b"", Front())


def test_a_token_is_good_for_its_audience_and_its_life() -> None:
    entra = Entra(Credentials("", "", b"k", "", ""))
    entra.check(asked(entra.issue(MANAGEMENT_AUDIENCES[0])), MANAGEMENT_AUDIENCES)
    for token, code in (
        (entra.issue(MANAGEMENT_AUDIENCES[0], lifetime=-1), "ExpiredAuthenticationToken"),
        (entra.issue("https://elsewhere"), "InvalidAuthenticationTokenAudience"),
        (
            Entra(Credentials("", "", b"other", "", "")).issue(MANAGEMENT_AUDIENCES[0]),
            "InvalidAuthenticationToken",
        ),
        ("", "AuthenticationFailed"),
    ):
        with pytest.raises(AzureError) as caught:
            entra.check(asked(token), MANAGEMENT_AUDIENCES)
        assert (caught.value.status, caught.value.code) == (401, code)


VALUES: Any = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_a_patch_that_was_merged_changes_nothing_the_second_time(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    once = merge(old, new)
    assert merge(once, new) == once
    assert merge(old, {}) == old


def test_null_in_a_patch_removes() -> None:
    assert merge({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": None}}) == {"b": {"d": 3}}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("azureml://datastores/w/paths/a/b", Location("azureml-blobstore-1", "a/b")),
        ("azureml://subscriptions/s/datastores/w/paths/a", Location("azureml-blobstore-1", "a")),
        ("https://acc.blob.core.windows.net/cont/a/b", Location("cont", "a/b")),
        ("https://localhost:8443/_storage/acc/cont/a", Location("cont", "a")),
    ],
)
def test_an_address_in_blob_storage_is_found(address: str, found: Location) -> None:
    assert Location.of(address) == found


def test_a_blob_that_leaves_the_directory_is_not_exported(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    blobs.create("box")
    blobs.write("box", "folder/../../../evil", [b"x"])
    with pytest.raises(ValueError, match="leaves the directory"):
        blobs.export("box", "folder", tmp_path / "out")


def test_a_path_is_exported_without_its_siblings(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    blobs.create("box")
    for name in ("a/model/x", "a/model/sub/y", "a/model2/z"):
        blobs.write("box", name, [name.encode()])
    root = blobs.export("box", "a/model", tmp_path / "out")
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) == [
        "sub/y",
        "x",
    ]
