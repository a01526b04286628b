"""Google's own SDK, unmodified, at its default hosts, led here by the environment alone."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.gcp.conftest import run
from tridock.inference.bundle.bundle import Bundle

SCRIPT = Path(__file__).with_name("ordinary.py")
TRANSPORTS = ("grpc", "rest")


@pytest.fixture(scope="module")
def told(variables: Mapping[str, str], bundle: Bundle) -> Mapping[str, Any]:
    """What the script tells over each transport, both at once: their imports take longest."""
    with ThreadPoolExecutor() as pool:
        words = [(variables, SCRIPT, transport, str(bundle.path)) for transport in TRANSPORTS]
        return dict(zip(TRANSPORTS, pool.map(lambda each: run(*each), words), strict=True))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_ordinary_script_does_its_work(told: Mapping[str, Any], transport: str) -> None:
    assert told[transport] == {
        "aliases": {"1": ["blue", "default"], "2": ["green"]},
        "listed": 1,
        "labels": {"kit": "1"},
        "champion": "2",
        "described": ["Ann: good", ""],
        "own labels": [{"kit": "1"}, {"kit": "1", "approval": "yes"}],
        "predict": ["setosa"],
        "split": [10, 90],
        "shares": [18, 2],
        "raw": '{"predictions":["setosa"]}',
        "raw_predict": ["setosa"],
        "stream": '{"predictions":["setosa"]}',
        "batch": ["setosa"] * 5,
        "left": 1,
        "models": 0,
    }
