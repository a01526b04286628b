"""`from tridock import …`: package, serve, release, ask, roll back and delete from a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import tridock
from tests.deploy import bundles
from tridock import (
    About,
    Account,
    Bundle,
    InferenceError,
    delete,
    invoke,
    package,
    release,
    rollback,
    serve,
    status,
)
from tridock.deploy.target.errors import NotFoundError

REQUEST = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    rows, kinds = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=500).fit(rows, kinds)
    to = tmp_path_factory.mktemp("bundle") / "iris"
    return package(model, rows, to, about=About("iris", "1"))


def test_a_bundle_is_served_while_a_block_runs(bundle: Bundle) -> None:
    with serve(bundle) as server:
        assert server.predict([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]) == [0, 2]
        with pytest.raises(InferenceError, match="petal width"):
            server.predict([[5.1, 3.5, 1.4, "wide"]])
    with pytest.raises(OSError, match="refused"):
        __import__("urllib.request").request.urlopen(server.url)


def test_a_folder_without_a_bundle_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match=r"not ready:\n.*manifest"), serve(tmp_path):
        raise AssertionError("a server came up")


@pytest.mark.parametrize("target", ["local", "aws"])
def test_two_releases_a_rollback_and_a_deletion(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"state": str(tmp_path / "state"), "gates.latency_p95": "600000"}
    account = Account(target, settings=settings, quiet=True)
    before = dict(os.environ)
    try:
        first = release(bundles.good(tmp_path / "1", "1"), "flowers", account=account)
        second = release(bundles.good(tmp_path / "2", "2").path, "flowers", account=account)
        assert set(first.traffic) != set(second.traffic)
        assert invoke("flowers", REQUEST, account=account)["predictions"] == ["setosa"]
        back = rollback("flowers", account=account, reason="a test")
        assert back.traffic == status("flowers", account=account).traffic == first.traffic
        delete("flowers", account=account)
        with pytest.raises(NotFoundError):
            status("flowers", account=account)
    finally:
        words = [sys.executable, "-m", "tridock.emulators", "down", "--state", settings["state"]]
        subprocess.run(words, check=True, capture_output=True)
    assert dict(os.environ) == before
    assert capsys.readouterr().err == ""


def test_an_import_of_the_package_imports_no_room() -> None:
    program = "import sys, tridock; print([n for n in sys.modules if n.startswith('tridock.')])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_every_public_name_is_there_and_in_the_document() -> None:
    document = (Path(__file__).parents[1] / "docs/python.md").read_text()
    for name in tridock.__all__:
        assert getattr(tridock, name).__name__ == name
        assert f"`{name}`" in document
        assert name in dir(tridock)
    with pytest.raises(AttributeError, match="no attribute 'packages'"):
        tridock.packages  # noqa: B018
