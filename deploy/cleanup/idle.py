"""Endpoints without requests, and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tridock.deploy.rollout.plan import hourly
from tridock.deploy.target.errors import TargetError
from tridock.deploy.target.plugins import Prices
from tridock.deploy.target.protocol import Observability
from tridock.deploy.target.records import Deployment, Endpoint


@dataclass(frozen=True)
class Idle:
    """An endpoint without live requests.

    Attributes
    ----------
    hours : float
        The least time without requests.
    dollars : float or None
        US dollars that all of its deployments cost per hour; None if a price is not known.
    """

    endpoint: str
    hours: float
    dollars: float | None


@dataclass(frozen=True)
class Patience:
    """Time without requests after which an endpoint is reported.

    Attributes
    ----------
    hours : float
        0 warns of nothing.
    now : datetime
        The time, with its zone.
    tell : callable
        Called with the reason if the target cannot say how many requests an endpoint had.
    """

    hours: float
    now: datetime
    tell: Callable[[str], None]

    @property
    def since(self) -> datetime:
        """Moment at which it began."""
        return self.now - timedelta(hours=self.hours)


def look(
    target: Observability, found: Endpoint, patience: Patience, prices: Prices | None
) -> Idle | None:
    """Return an endpoint as idle if its deployments are old enough and had no live request.

    Metrics of deployments with traffic are read one after the other, until one had a
    request or none are known: of most endpoints, once. None is read for what is younger, or
    coming up, and what the target does not tell is no reason to warn.
    """
    if not patience.hours or not found.deployments or not found.settled:
        return None
    serving = [one for one in found.deployments.values() if found.traffic.get(one.name)]
    young = (not one.created or one.created > patience.since for one in serving or _all(found))
    if any(young) or not all(_is_unasked(target, found, one, patience) for one in serving):
        return None
    return Idle(found.name, patience.hours, hourly(_all(found), prices))


def _all(found: Endpoint) -> list[Deployment]:
    return list(found.deployments.values())


def _is_unasked(
    target: Observability, found: Endpoint, one: Deployment, patience: Patience
) -> bool:
    try:
        measured = target.metrics(found.name, one.name, patience.since)
    except TargetError as error:
        patience.tell(f"requests to {found.name} are not known: {error}")
        return False
    return measured is not None and not measured.requests
