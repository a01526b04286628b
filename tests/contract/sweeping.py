"""What every target must say of what is left over; `tests.contract.test_target` runs it on each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import ConflictError
from deploy.target import Release, Target
from tests.deploy import bundles

REQUEST = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'


def test_what_nobody_runs_is_left_over_until_it_is_discarded_and_what_runs_is_not(
    target: Target, old: Release, tmp_path: Path
) -> None:
    before, standing = set(target.leftovers()), target.describe(old.endpoint)
    target.upload(bundles.good(tmp_path / "spare", "9"))
    spare = [one for one in target.leftovers() if one not in before]
    assert spare
    for one in spare:
        assert one.reason
        assert one.created is None or one.created.tzinfo
        running = old.artifact.removeprefix("azureml:") if ":" in one.name else old.digest
        with pytest.raises(ConflictError):
            target.discard(replace(one, name=running))
        for _ in range(2):
            target.discard(one)
    assert set(target.leftovers()) == before
    assert target.describe(old.endpoint) == standing
    assert json.loads(target.invoke(old.endpoint, REQUEST)) == {"predictions": ["setosa"]}
