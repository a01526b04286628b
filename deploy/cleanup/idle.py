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
    target: Observability, current: Endpoint, patience: Patience, prices: Prices | None
) -> Idle | None:
    """Return an endpoint as idle if its deployments are old enough and had no live request.

    Metrics of deployments with traffic are read one after the other, until one had a
    request or none are known: of most endpoints, once. None is read for what is younger, or
    coming up, and what the target does not tell is no reason to warn.
    """
    if not patience.hours or not current.deployments or not current.settled:
        return None
    serving = [
        deployment
        for deployment in current.deployments.values()
        if current.traffic.get(deployment.name)
    ]
    young = (not one.created or one.created > patience.since for one in serving or _all(current))
    if any(young) or not all(_is_unasked(target, current, one, patience) for one in serving):
        return None
    return Idle(current.name, patience.hours, hourly(_all(current), prices))


def _all(current: Endpoint) -> list[Deployment]:
    return list(current.deployments.values())


def _is_unasked(
    target: Observability, current: Endpoint, deployment: Deployment, patience: Patience
) -> bool:
    try:
        measured = target.metrics(current.name, deployment.name, patience.since)
    except TargetError as error:
        patience.tell(f"requests to {current.name} are not known: {error}")
        return False
    return measured is not None and not measured.requests
