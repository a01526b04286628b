"""The steps of a release: each is set, watched and judged, in the order of its strategy."""

from __future__ import annotations

from datetime import UTC, datetime

from tridock.assurance.gates import Ruling
from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal
from tridock.deploy.rollout.judge import Case, Look
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.strategies import Move, Step
from tridock.deploy.target.errors import DeadlineError, GateError, RolledBackError
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting import wait


def run(rollout: Rollout, order: ReleaseRequest, before: Endpoint | None) -> None:
    """Go through the steps. An endpoint's first deployment has all traffic from the start.

    Raises
    ------
    GateError
        If a gate said no.
    RolledBackError
        If the cloud took a step back by itself.
    DeadlineError
        If a step waited in vain for what was not measured.
    """
    new, target = order.wanted, rollout.target
    serving = history.working(before) if before else {}
    for move in strategies.moves(serving, new.name, order.steps):
        if move.step.held:  # before the split: who is cut short in between finds both to compare
            experiment.begin(target.notes, new.endpoint, new=new.name, old=_beside(move, new.name))
        with rollout.say.step(f"traffic: {history.traffic_text(move.split)}"):
            current = endpoint_changes.shift(target, new.endpoint, move.split, order.deadline)
        current = copies(rollout, order, current, move.step.shadow)
        _watch(rollout, order, move, current)
        if move.step.held and rollout.judge and rollout.judge.sends(move.step):
            experiment.judged(target.notes, new.endpoint)
        copies(rollout, order, current, 0)


def copies(rollout: Rollout, order: ReleaseRequest, current: Endpoint, percent: int) -> Endpoint:
    """Let the new deployment get copies of `percent` of the requests from now on.

    Parameters
    ----------
    current : Endpoint
        As it was last seen.

    Returns
    -------
    Endpoint
        As it is then.
    """
    new, target = order.wanted, rollout.target
    if current.shadow.get(new.name, 0) == percent:
        return current
    if percent and "shadow beside others" in target.limits:
        _clear(rollout, order, current)
    with rollout.say.step(f"copies to {new.name}: {percent} % of the requests"):
        return endpoint_changes.copy(target, new.endpoint, new.name, percent, order.deadline)


def retire(rollout: Rollout, order: ReleaseRequest, before: Endpoint) -> None:
    """Undeploy what neither serves, nor is the new deployment, nor the one to roll back to.

    An experiment decides nothing yet, and takes nothing away.
    """
    new = order.wanted
    if order.steps[-1].held:
        return
    current = rollout.target.describe(new.endpoint)
    previous = way_back(rollout.target, order, before)
    kept = {new.name, previous, *current.traffic}
    for name in sorted(name for name in before.deployments if name not in kept):
        with rollout.say.step(f"undeploy {name}"):
            endpoint_changes.retire(rollout.target, new.endpoint, name, order.deadline.again())


def way_back(target: Target, order: ReleaseRequest, before: Endpoint) -> str | None:
    """Return which deployment stays beside the new one for a rollback; None for none."""
    name = order.wanted.name
    if not order.keep_previous:
        return None
    return journal.previous(target.notes, before, name) or history.previous(before, name)


def _clear(rollout: Rollout, order: ReleaseRequest, current: Endpoint) -> None:
    for name in sorted(set(current.deployments) - set(current.traffic) - {order.wanted.name}):
        with rollout.say.step(f"undeploy {name}: nothing may stand beside copies here"):
            endpoint_changes.retire(rollout.target, current.name, name, order.deadline)


def _watch(rollout: Rollout, order: ReleaseRequest, move: Move, current: Endpoint) -> None:
    """Look again and again until the bake time is over and nothing is waited for."""
    step, whom, since = move.step, order.wanted.name, datetime.now(UTC)
    if not _is_as_set(current, move, whom):
        _refuse_rolled_back(rollout, order, move)
    if not rollout.judge and not step.bake:
        return
    patience = rollout.judge.limits.patience if rollout.judge else 0.0
    baked, look = order.deadline.of(step.bake), Look()
    with rollout.say.step(
        f"{'judge' if rollout.judge else 'watch'} {whom} at {_at(step)}"
    ) as progress:
        for nth, _ in enumerate(wait.looks(order.deadline.of(step.bake + patience))):
            if nth:  # the first look follows the change at once
                _refuse_rolled_back(rollout, order, move)
            look = _look(rollout, order, move, since)
            progress.detail = str(look) if rollout.judge else ""
            if not baked.left() and not look.awaited:
                return
            progress.awaits(look.awaited)
        raise DeadlineError(
            f"{whom} at {_at(step)} waited in vain for: {look.awaited or 'the bake time'}. Send "
            "requests, ask for fewer by gates.minimum_requests, or allow more time by "
            "gates.patience and --timeout"
        )


def _look(rollout: Rollout, order: ReleaseRequest, move: Move, since: datetime) -> Look:
    if not rollout.judge:
        return Look()
    new = order.wanted
    case = Case(new.endpoint, new.name, move.step, since, _beside(move, new.name))
    look = rollout.judge.look(case)
    failed = look.saying(Ruling.FAILED)
    if failed:
        raise GateError(f"{new.name} at {_at(move.step)}: {failed}. {look.remark}".rstrip())
    return look


def _refuse_rolled_back(rollout: Rollout, order: ReleaseRequest, move: Move) -> None:
    """Refuse to go on where the endpoint is not as we left it, and stays so for a while."""
    name = order.wanted.name
    for _ in wait.looks(order.deadline.of(endpoint_changes.GRACE)):
        current = rollout.target.describe(order.wanted.endpoint)
        if _is_as_set(current, move, name):
            return
    shown = history.traffic_text(current.traffic)
    there = "" if name in current.deployments else f", and {name} is gone"
    raise RolledBackError(
        f"{name} at {_at(move.step)}: the endpoint is not as we set it, traffic is {shown}{there}. "
        "The cloud rolled back by itself, or somebody else changed it. "
        f"Reason: {current.reason or 'the cloud gave none'}"
    )


def _is_as_set(current: Endpoint, move: Move, name: str) -> bool:
    copied = current.shadow.get(name, 0)
    return (
        current.traffic == move.split and copied == move.step.shadow and name in current.deployments
    )


def _at(step: Step) -> str:
    return f"copies of {step.shadow} %" if step.shadow else f"{step.percent} %"


def _beside(move: Move, name: str) -> str:
    """Return the deployment that serves most beside `name`; empty for none."""
    return history.leading({other: share for other, share in move.split.items() if other != name})
