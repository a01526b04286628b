"""Traffic of an online endpoint: what the service accepts as a division of requests.

Source: "Safe rollout for online endpoints" and "Manage and increase quotas" (names and numbers).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from tridock.emulators.azure.http.errors import invalid

#: The largest share of requests that may be copied.
MIRROR_LIMIT = 50

Shares = Mapping[str, int]


def check(live: Shares, mirror: Shares, standing: Collection[str]) -> None:
    """Let a division of traffic through that the service takes.

    Parameters
    ----------
    live : Mapping of str to int
        Percent of requests by deployment.
    mirror : Mapping of str to int
        Percent of requests that a deployment gets a copy of.
    standing : Collection of str
        Deployments that are ready to serve.

    Raises
    ------
    AzureError
        400.
    """
    for name in (*live, *mirror):
        share = live.get(name, mirror.get(name, 0))
        if share and name not in standing:
            known = ", ".join(sorted(standing)) or "none"
            raise invalid(f"Traffic names deployment '{name}', which is not ready. Ready: {known}.")
    if any(not 0 <= share <= 100 for share in (*live.values(), *mirror.values())):
        raise invalid("Each share of traffic must be from 0 to 100 percent.")
    total = sum(live.values())
    if total not in (0, 100):
        raise invalid(f"The sum of traffic has to be either 0 or 100, but is {total}.")
    _check_mirror(live, mirror)


def _check_mirror(live: Shares, mirror: Shares) -> None:
    copied = {name: share for name, share in mirror.items() if share}
    if len(copied) > 1:
        raise invalid("Only one deployment can receive mirrored traffic.")
    for name, share in copied.items():
        if share > MIRROR_LIMIT:
            raise invalid(f"At most {MIRROR_LIMIT} percent can be mirrored, not {share}.")
        if live.get(name):
            raise invalid(f"Deployment '{name}' cannot get both live and mirrored traffic.")


def choose(live: Shares) -> str | None:
    """Throw dice for one request; None if no deployment has traffic."""
    names = [name for name, share in live.items() if share]
    return random.choices(names, [live[name] for name in names])[0] if names else None


def copies_to(mirror: Shares) -> str | None:
    """Throw dice for a copy of one request; None for no copy."""
    for name, share in mirror.items():
        if random.random() * 100 < share:
            return name
    return None
