"""What is read out of an image, and how a container is told to start; no engine is needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.downloads import EMULATOR, download
from tridock.inference.check import stage
from tridock.inference.image.build import audit, bill, report, url
from tridock.inference.image.container import Plan
from tridock.inference.image.contents import Package, debian, distribution
from tridock.inference.image.engine import Image
from tridock.inference.process.healthcheck import beats
from tridock.inference.process.model_server import ModelServer, free_port, wait_ready

IMAGE = Image("tridock:onnx", "sha256:1", {"Labels": {"a": "b"}}, (), 1, "linux/amd64")
METADATA = """Metadata-Version: 2.4
Name: Some_Thing
Version: 1.2+local
License-Expression: MIT OR Apache-2.0
Requires-Dist: numpy>=1.21
Requires-Dist: extra-thing; extra == "more"
Requires-Dist: Typing.Extensions; python_version < "3.13"

Its description.
"""
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


@pytest.fixture(scope="module")
def server(iris_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    made = ModelServer.start(iris_bundle.path, tmp_path_factory.mktemp("beat") / "log")
    assert wait_ready(made), made.tail()
    yield made
    made.stop()


def test_a_distribution_needs_what_no_extra_asks_for() -> None:
    assert distribution(METADATA) == Package(
        "pypi", "Some_Thing", "1.2+local", "MIT OR Apache-2.0", ("numpy", "typing-extensions")
    )


def test_a_removed_debian_package_is_not_listed() -> None:
    assert [(each.name, each.version) for each in debian(STATUS)] == [("libc6", "2.36-9+deb12u10")]


def test_package_urls_are_normal_and_quoted() -> None:
    assert url(distribution(METADATA)) == "pkg:pypi/some-thing@1.2%2Blocal"
    assert url(next(debian(STATUS))) == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"


def test_a_bill_says_what_depends_on_what_and_is_the_same_for_the_same_image() -> None:
    packages = [Package("pypi", "numpy", "2.0", "BSD-3-Clause"), distribution(METADATA)]
    found = bill(IMAGE, packages)
    needs = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    assert needs["pkg:pypi/some-thing@1.2%2Blocal"] == ["pkg:pypi/numpy@2.0"]
    assert needs["sha256:1"] == ["pkg:pypi/some-thing@1.2%2Blocal"]
    assert json.dumps(bill(IMAGE, packages[::-1])) == json.dumps(found)


def test_what_the_data_do_not_know_is_not_called_safe() -> None:
    vulnerable = {"id": "PYSEC-1", "fix_versions": ["2.1"]}
    told = report(
        [
            {"name": "a", "version": "1", "vulns": [vulnerable]},
            {"name": "b", "skip_reason": "not found"},
        ]
    )
    assert str(told) == "1 known vulnerabilities in 1 distributions; 1 not audited: not found"
    assert told.found == ("a 1: PYSEC-1, fixed in 2.1",)


def test_without_the_tool_nothing_is_audited_and_it_is_said(tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("a==1\nb==2\n")
    told = str(audit(tmp_path / "pip-audit", pins, tmp_path / "audit.json"))
    assert told.startswith("2 not audited:")
    assert "known" not in told


def test_a_container_that_is_told_its_port_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    words = list(Plan("image", port_variable="PORT", mounts={"/m": tmp_path}).words(20001))
    assert words[words.index("--network") + 1] == "host"
    assert "PORT=20001" in words
    assert "TRIDOCK_HOST=127.0.0.1" in words
    assert f"type=bind,source={tmp_path},target=/m,readonly" in words
    assert words[-2:] == ["image", "serve"]


def test_any_other_has_one_port_published_on_the_loopback() -> None:
    words = list(Plan("image", (), port=5001).words(20001))
    assert words == ["--publish", "127.0.0.1:20001:5001", "image"]


def test_the_heart_beats_where_a_ready_server_listens(server: ModelServer) -> None:
    assert beats({"AIP_HTTP_PORT": str(server.port)})
    assert not beats({"AIP_HTTP_PORT": str(free_port())})


def test_the_checks_bucket_is_read_as_google_s_is(iris_bundle: Bundle) -> None:
    with stage.served(iris_bundle.path) as service:
        found = download(stage.URI, {EMULATOR: service})
    assert Bundle.read(found).digest == iris_bundle.digest
    shutil.rmtree(found)
