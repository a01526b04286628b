"""What is counted of an account: a revision without requests may run a server or none."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.ordeal.inventory import without_a_revision

REVISIONS = Counter({"service ordeal": 1, "ordeal has DEPLOYMENT": 2, "ordeal names DEPLOYMENT": 2})


@pytest.mark.parametrize(("servers", "orphans"), [(0, 0), (1, 0), (2, 0), (3, 1)])
def test_servers_are_orphans_where_there_are_more_than_revisions(
    servers: int, orphans: int
) -> None:
    assert without_a_revision(REVISIONS, servers) == orphans
