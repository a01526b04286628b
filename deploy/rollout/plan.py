"""Plan of a release: its changes and costs, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tridock.deploy import strategies
from tridock.deploy.rollout import history
from tridock.deploy.rollout.request import ReleaseRequest
from tridock.deploy.target.plugins import Prices
from tridock.deploy.target.records import Deployment, Endpoint, Release, State


@dataclass(frozen=True)
class Plan:
    """The steps of a release in words, and its cost.

    Attributes
    ----------
    steps : tuple of str
        In order; empty if there is nothing to do.
    now, during, after : float or None
        US dollars per hour today, while it moves, and when it is done; None if not known.
    source : str
        Where the prices are from.
    most : float or None
        Then, with as many instances as their scaling allows.
    """

    steps: tuple[str, ...]
    now: float | None
    during: float | None
    after: float | None
    source: str
    most: float | None = None


def plan(
    order: ReleaseRequest,
    before: Endpoint | None,
    prices: Prices | None,
    way_back: str | None = None,
) -> Plan:
    """Return the changes of a release to the present endpoint.

    Parameters
    ----------
    before : Endpoint or None
        None if there is none.
    prices : Prices or None
        None for a target that costs nothing.
    way_back : str or None
        The deployment that stays for a rollback; None to go by what the endpoint shows.
    """
    new = order.wanted
    running = dict(before.deployments) if before else {}
    wanted = Deployment(
        new.name, State.CREATING, instance=new.instance, count=new.count, scaling=new.scaling
    )
    kept = {new.name}
    if before and order.keep_previous:
        kept |= {way_back or history.previous(before, new.name) or new.name}
    if order.steps[-1].held:
        kept |= set(running)
    after = {name: one for name, one in (running | {new.name: wanted}).items() if name in kept}
    return Plan(
        tuple(_steps(order, before, kept)),
        hourly(running.values(), prices),
        hourly((running | {new.name: wanted}).values(), prices),
        hourly(after.values(), prices),
        prices.source if prices else "",
        hourly(map(_grown, after.values()), prices),
    )


def hourly(deployments: Iterable[Deployment], prices: Prices | None) -> float | None:
    """Return what the deployments cost, in US dollars per hour; None if a price is not known."""
    if prices is None:
        return 0.0
    each = [
        (prices.hourly.get(deployment.instance), deployment.count) for deployment in deployments
    ]
    known = [price * count for price, count in each if price is not None]
    return sum(known) if len(known) == len(each) else None


def _grown(deployment: Deployment) -> Deployment:
    """Return a deployment with all the instances that it may have."""
    return (
        replace(deployment, count=deployment.scaling.maximum) if deployment.scaling else deployment
    )


def _steps(order: ReleaseRequest, before: Endpoint | None, kept: set[str]) -> Iterable[str]:
    new = order.wanted
    size = f" on {new.count} x {new.instance}" if new.instance else ""
    if before is None:
        yield f"create endpoint {new.endpoint}"
    is_there = before is not None and new.name in before.deployments
    if not is_there:
        yield f"deploy {new.name}{size}{_same_bundle(new, before)}"
    standing = before.deployments[new.name].scaling if before and is_there else None
    if standing != new.scaling:
        yield f"scale {new.name}: {new.scaling or f'no more {standing}'}"
    if before and is_there and not new.scaling and before.deployments[new.name].count != new.count:
        count = before.deployments[new.name].count
        yield f"resize {new.name}, in place: {count} to {new.count} instances"
    now = before.traffic if before else {}
    for move in strategies.moves(now, new.name, order.steps):
        yield from _moved(now, new.name, move)
        now = move.split
    for name in sorted(set(before.deployments if before else ()) - kept):
        yield f"undeploy {name}"


def _same_bundle(new: Release, before: Endpoint | None) -> str:
    """Say beside which deployment of the same bundle a deployment with other settings comes up."""
    running = before.deployments.values() if before else ()
    same = sorted(one.name for one in running if one.digest and one.digest == new.digest)
    return f": the bundle of {', '.join(same)} with other settings" if same else ""


def _moved(now: Mapping[str, int], name: str, move: strategies.Move) -> Iterable[str]:
    step = move.step
    bake = f", watched for {step.bake:g} s" if step.bake else ""
    if step.shadow:
        yield f"copies to {name}: {step.shadow} % of the requests{bake}"
    elif move.split != now:
        yield f"traffic: {history.traffic_text(move.split)}{bake}"
