"""The local router under load, and what it passes on."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.deploy.staging import name_of
from tridock.deploy.local import daemon
from tridock.deploy.local.__main__ import _listen
from tridock.deploy.local.router import HEADER
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.records import Release
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def deadline() -> Deadline:
    return Deadline.after(900)


def bring_up(target: LocalTarget, bundle: Bundle) -> str:
    name = name_of(bundle)
    target.deploy(Release("iris", name, target.upload(bundle), digest=bundle.digest))
    wait.until_ready(target, "iris", name, deadline())
    return name


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory, v1: Bundle, v2: Bundle
) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path_factory.mktemp("state"))
    for bundle in (v1, v2):
        bring_up(target, bundle)
    yield target
    endpoint_changes.remove(target, "iris", deadline())


@dataclass
class Load:
    """What clients that never stop asking have seen."""

    url: str
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def more(self, name: str, count: int) -> Callable[[], bool]:
        """Return whether `name` has answered `count` more requests than now."""
        before = self.answered[name]
        return lambda: self.answered[name] >= before + count

    def ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=600) as client:
            while not self.over.is_set():
                try:
                    answer = client.post(f"{self.url}/invocations", json=BODY)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    continue
                self.answered[answer.headers.get(HEADER, "")] += 1
                if answer.status_code != 200 or answer.json() != {"predictions": ["setosa"]}:
                    self.failed.append(answer.text)


@contextmanager
def load(url: str, clients: int = 4) -> Iterator[Load]:
    seen = Load(url)
    threads = [threading.Thread(target=seen.ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.over.set()
        for thread in threads:
            thread.join()


def test_an_answer_in_two_parts_does_not_wait_for_an_acknowledgement(tmp_path: Path) -> None:
    with (
        _listen(tmp_path / "port") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_cycle_of_requests_is_split_exactly(target: LocalTarget, v1: Bundle, v2: Bundle) -> None:
    split = {name_of(v1): 70, name_of(v2): 30}
    endpoint_changes.shift(target, "iris", split, deadline())
    url = target.describe("iris").url
    with httpx.Client(trust_env=False) as client:
        answers = [client.post(f"{url}/invocations", json=BODY) for _ in range(20)]
    assert Counter(answer.headers[HEADER] for answer in answers) == {
        name_of(v1): 14,
        name_of(v2): 6,
    }


def test_no_request_fails_while_traffic_moves_and_deployments_come_and_go(
    target: LocalTarget, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    endpoint_changes.shift(target, "iris", {name_of(v1): 100}, deadline())
    with load(target.describe("iris").url) as seen:
        third = bring_up(target, v3)
        for share in (10, 50, 100):
            split = {third: share, name_of(v1): 100 - share}
            endpoint_changes.shift(
                target, "iris", {k: v for k, v in split.items() if v}, deadline()
            )
            wait.until(seen.more(third, 20), deadline(), goal="it was asked")
        endpoint_changes.shift(target, "iris", {name_of(v2): 100}, deadline())
        endpoint_changes.retire(target, "iris", third, deadline())
    assert seen.failed == []
    assert seen.answered[third] > 50


def test_the_model_servers_own_routes_are_reached(target: LocalTarget, v1: Bundle) -> None:
    url = target.describe("iris").url
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{url}/ping").status_code == 200
        chosen = client.get(f"{url}/metrics", headers={HEADER: name_of(v1)})
        assert chosen.headers[HEADER] == name_of(v1)
        assert client.get(f"{url}/nothing?x=1").status_code == 404
        csv = client.post(
            f"{url}/invocations", content="5.1,3.5,1.4,0.2", headers={"content-type": "text/csv"}
        )
        assert csv.text.strip() == "setosa"


def test_copies_are_answered_for_nobody_and_both_answers_are_kept(
    target: LocalTarget, v1: Bundle, v2: Bundle
) -> None:
    old, new = name_of(v1), name_of(v2)
    endpoint_changes.shift(target, "iris", {old: 100}, deadline())
    since = datetime.now(UTC)
    endpoint_changes.copy(target, "iris", new, 25, deadline())
    url = target.describe("iris").url
    with httpx.Client(trust_env=False) as client:
        for number in range(20):
            answer = client.post(
                f"{url}/invocations", json=BODY, headers={"x-request-id": f"r{number}"}
            )
            assert answer.headers[HEADER] == old
        client.post(f"{url}/invocations", json=BODY, headers={HEADER: old})
    wait.until(
        lambda: len(target.answers("iris", new, since)) == 5, deadline(), goal="five were copied"
    )
    served = {one.request: one for one in target.answers("iris", old, since)}
    assert list(served) == [f"r{number}" for number in range(20)]
    for copy in target.answers("iris", new, since):
        assert copy.predictions == served[copy.request].predictions == ("setosa",)
    endpoint_changes.copy(target, "iris", new, 0, deadline())
    assert target.describe("iris").shadow == {}


def test_live_requests_are_counted_with_their_failures_and_the_callers_are_no_failures(
    target: LocalTarget, v1: Bundle
) -> None:
    endpoint_changes.shift(target, "iris", {name_of(v1): 100}, deadline())
    since = datetime.now(UTC)
    url = target.describe("iris").url
    with httpx.Client(trust_env=False) as client:
        for body in (BODY, BODY, {"instances": [["wrong"]]}):
            client.post(f"{url}/invocations", json=body)
    # The model server says every five seconds how sure its model was.
    wait.until(
        lambda: target.metrics("iris", name_of(v1), since).low_confidence is not None,
        deadline(),
        goal="told",
    )
    found = target.metrics("iris", name_of(v1), since)
    assert found.low_confidence == 0
    assert (found.requests, found.errors) == (3, 0)
    assert found.predictions == {"setosa": 2}
    assert found.latency_p95_ms


def test_unknown_endpoints_and_deployments_are_404(target: LocalTarget) -> None:
    url = target.describe("iris").url
    with httpx.Client(trust_env=False) as client:
        assert client.post(f"{url}x/invocations", json=BODY).status_code == 404
        ghost = client.post(f"{url}/invocations", json=BODY, headers={HEADER: "ghost"})
    assert (ghost.status_code, ghost.json()) == (
        404,
        {"error": "no deployment 'ghost' behind 'iris'"},
    )


def test_where_no_router_was_there_is_none(tmp_path: Path) -> None:
    assert daemon.find(tmp_path) is None
    assert LocalTarget(tmp_path).endpoints() == ()
