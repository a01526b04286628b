"""What lasts of the emulated Google Cloud: all of it, after a kill, too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.gcp.conftest import IMAGE, PARENT, ROW, Api, OpenDatabase, connected
from tridock.emulators import daemon
from tridock.emulators.gcp.protocol.errors import UnavailableError
from tridock.emulators.gcp.state.database import Database
from tridock.emulators.gcp.state.records import State
from tridock.emulators.gcp.storage.errors import BusyError, ConditionNotMetError
from tridock.emulators.gcp.storage.objects import SMALL_BYTES, UNREADABLE, Conditions, Store
from tridock.emulators.place import Place
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place("gcp", tmp_path / "state", speed=600)
    yield place
    daemon.down(place)


def kill(place: Place) -> None:
    """End the emulator as the kernel does when memory is short."""
    running = daemon.find(place)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    daemon.down(place)


def predicted(api: Api, endpoint: str) -> Any:
    return api.call("POST", f"/v1/{endpoint}:predict", {"instances": [ROW]})["predictions"]


def test_a_release_outlives_a_kill_and_can_be_repeated(place: Place, bundle: Bundle) -> None:
    with connected(daemon.up(place).environment) as api:
        uri = api.store_bundle("kit-lasts", bundle.path)
        model, endpoint = api.model("lasts", uri), api.endpoint("lasts")
        api.deploy(endpoint, model, {"0": 100})
        paths = [f"/v1/{model}:listVersions", f"/v1/{endpoint}", "/storage/v1/b/kit-lasts/o"]
        paths.append(f"/v1/{PARENT}/operations")
        before = [api.call("GET", path) for path in paths]
        assert predicted(api, endpoint) == ["setosa"]
        kill(place)
        assert daemon.up(place).environment["TRIDOCK_GCP_URL"] == api.url
        assert [api.call("GET", path) for path in paths] == before
        assert predicted(api, endpoint) == ["setosa"]
        daemon.down(place)
        daemon.up(place)
        assert [api.call("GET", path) for path in paths] == before
        assert predicted(api, endpoint) == ["setosa"]
        key = before[1]["deployedModels"][0]["id"]
        api.done(api.call("POST", f"/v1/{endpoint}:undeployModel", {"deployedModelId": key}))
        api.call("DELETE", f"/v1/{model}")
        assert api.model("lasts", uri) == model


def test_what_an_operation_had_to_do_goes_on_after_a_kill(tmp_path: Path, bundle: Bundle) -> None:
    place = Place("gcp", tmp_path / "state", speed=20)  # an upload takes a second
    try:
        with connected(daemon.up(place).environment) as api:
            uri = api.store_bundle("kit-goes", bundle.path)
            spec = {"imageUri": IMAGE, "predictRoute": "/predict", "healthRoute": "/readyz"}
            model = {"displayName": "goes", "artifactUri": uri, "containerSpec": spec}
            body = {"modelId": "goes", "model": model}
            operation = api.call("POST", f"/v1/{PARENT}/models:upload", body)
            location = "/upload/storage/v1/b/kit-goes/o?uploadType=resumable&name=parts"
            begun = api.session.post(api.url + location, json={}, timeout=600).headers["location"]
            part = {"Content-Range": "bytes 0-262143/*"}
            answer = api.session.put(begun, data=b"a" * 262144, headers=part, timeout=600)
            assert (answer.status_code, answer.headers["range"]) == (308, "bytes=0-262143")
            kill(place)
            daemon.up(place)
            assert api.done(operation)["response"]["modelVersionId"] == "1"
            asked = api.session.put(begun, headers={"Content-Range": "bytes */*"}, timeout=600)
            assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-262143")
            rest = {"Content-Range": "bytes 262144-262145/262146"}
            answer = api.session.put(begun, data=b"bb", headers=rest, timeout=600)
            assert answer.json()["size"] == "262146"
            again = api.session.put(begun, headers={"Content-Range": "bytes */262146"}, timeout=600)
            assert again.json()["generation"] == answer.json()["generation"]
    finally:
        daemon.down(place)


def test_refused_and_parallel_uploads_of_a_model_leave_nothing(api: Api, bundle: Bundle) -> None:
    spec = {"imageUri": IMAGE}
    model: dict[str, Any] = {"displayName": "twice", "containerSpec": spec}
    model["artifactUri"] = "gs://kit-twice/absent"
    body = {"modelId": "twice", "model": model}
    refused = api.done(api.call("POST", f"/v1/{PARENT}/models:upload", body))
    assert "no files under the artifact URI" in refused["error"]["message"]
    model["artifactUri"] = api.store_bundle("kit-twice", bundle.path)
    begun = [api.ask("POST", f"/v1/{PARENT}/models:upload", body)[1] for _ in range(3)]
    ended = [api.done(one) if "name" in one else one for one in begun]
    # One that comes after the first has ended is refused at once, as 409.
    codes = [one.get("error", {}).get("code", 0) for one in ended]
    assert sorted(6 if code == 409 else code for code in codes) == [0, 6, 6]
    name = next(one["response"]["model"] for one in ended if "response" in one)
    body = {"parentModel": name, "model": model}
    begun = [api.call("POST", f"/v1/{PARENT}/models:upload", body) for _ in range(3)]
    numbers = [api.done(operation)["response"]["modelVersionId"] for operation in begun]
    assert sorted(numbers) == ["2", "3", "4"]
    api.call("DELETE", f"/v1/{name}")


def test_a_reset_empties_the_account_on_disk_too(place: Place, bundle: Bundle) -> None:
    with connected(daemon.up(place).environment) as api:
        uri = api.store_bundle("kit-reset", bundle.path)
        model, endpoint = api.model("reset", uri), api.endpoint("reset")
        operation = api.call(
            "POST", f"/v1/{PARENT}/endpoints?endpointId=ghost", {"displayName": "ghost"}
        )
        api.control("POST", "reset")
        assert api.ask("GET", f"/v1/{operation['name']}")[0] == 404
        for path in (f"/v1/{model}", f"/v1/{endpoint}", "/storage/v1/b/kit-reset"):
            assert api.ask("GET", path)[0] == 404
        assert api.model("reset", api.store_bundle("kit-reset", bundle.path)) == model
        kill(place)
        daemon.up(place)
        assert api.call("GET", f"/v1/{model}")["versionId"] == "1"
        assert api.call("GET", f"/v1/{PARENT}/endpoints") == {}


def test_two_writers_of_one_generation_do_not_both_win(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    store = Store(tmp_path / "storage", database_at(tmp_path / "state.sqlite"))
    store.make_bucket({"name": "kit"}, "1")
    won: list[str] = []

    def write() -> None:
        try:
            record = store.write("kit", {"name": "x"}, b"1", conditions=Conditions(generation="0"))
            won.append(record["generation"])
        except ConditionNotMetError:
            pass

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_objects_whose_bytes_are_lost_are_put_aside_and_the_others_stay(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    path, folder = tmp_path / "state.sqlite", tmp_path / "storage"
    database = database_at(path)
    store = Store(folder, database)
    store.make_bucket({"name": "kit"}, "1")
    large = b"x" * (SMALL_BYTES + 1)
    for name, data in (("small", b"y"), ("cut", large), ("whole", large)):
        store.write("kit", {"name": name}, data)
    (folder / store.get("kit", "cut")["_file"]).write_bytes(b"x")
    (folder / "0123").write_bytes(b"of an upload that was killed")
    database.close()
    again = Store(folder, database_at(path))
    assert [record["name"] for record in again.list("kit")] == ["small", "whole"]
    assert again.read(again.get("kit", "small")) == b"y"
    assert again.read(again.get("kit", "whole")) == large
    assert len([one for one in folder.iterdir() if one.name.startswith(UNREADABLE)]) == 1
    assert len(list(folder.iterdir())) == 2


def test_a_database_that_cannot_be_read_is_put_aside(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"SQLite format 3" + b"torn" * 3000)
    state = State(database_at(path))
    state.endpoints["a"] = {"name": "a"}
    state.commit()
    assert len(list(tmp_path.glob("state.sqlite.unreadable-*"))) == 1


def full(database_at: OpenDatabase, path: Path) -> Database:
    """Return a database that cannot grow, as on a full disk."""
    database = database_at(path)
    connection = database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return database


def test_a_change_that_a_full_disk_refuses_is_not_half_done(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    state = State(full(database_at, tmp_path / "state.sqlite"))
    state.endpoints["kept"] = {"name": "kept"}
    state.commit()
    begun: list[str] = []
    state.endpoints["kept"]["name"] = "changed"
    state.endpoints["large"] = {"name": "x" * 8 * 1024 * 1024}
    state.later(lambda: begun.append("server"))
    with pytest.raises(UnavailableError, match="disk is full"):
        state.commit()
    assert state.endpoints == {"kept": {"name": "kept"}}
    del state.endpoints["kept"]
    state.commit()
    assert (state.endpoints, begun) == ({}, [])


def test_a_full_disk_refuses_objects_and_lets_them_be_deleted(
    tmp_path: Path, database_at: OpenDatabase
) -> None:
    store = Store(tmp_path / "storage", full(database_at, tmp_path / "state.sqlite"))
    store.make_bucket({"name": "kit"}, "1")

    def fill() -> None:
        for number in range(2000):
            store.write("kit", {"name": str(number)}, b"x" * SMALL_BYTES)

    with pytest.raises(BusyError, match="disk is full"):
        fill()
    names = [record["name"] for record in store.list("kit")]
    assert sorted(names, key=int) == [str(number) for number in range(len(names))]
    store.delete("kit", "0")
    store.write("kit", {"name": "again"}, b"x" * 1000)
    assert store.read(store.get("kit", "again")) == b"x" * 1000
