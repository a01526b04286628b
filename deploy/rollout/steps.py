"""The course of a release: each step is set, watched and judged, in the order of its strategy."""

from __future__ import annotations

from datetime import UTC, datetime

from tridock.assurance.gates import Ruling
from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal
from tridock.deploy.rollout.judge import Case, Look
from tridock.deploy.rollout.request import Order, Stage
from tridock.deploy.strategies import Move, Step
from tridock.deploy.target.errors import DeadlineError, GateError, RolledBackError
from tridock.deploy.target.protocol import Endpoint, Target
from tridock.deploy.waiting import wait


def run(stage: Stage, order: Order, before: Endpoint | None) -> None:
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
    new, target = order.wanted, stage.target
    serving = history.working(before) if before else {}
    for move in strategies.moves(serving, new.name, order.course):
        if move.step.held:  # before the split: who is cut short in between finds both to compare
            experiment.begin(target.notes, new.endpoint, new=new.name, old=_beside(move, new.name))
        with stage.say.step(f"traffic: {history.traffic_text(move.split)}"):
            endpoint_changes.shift(target, new.endpoint, move.split, order.deadline)
        copies(stage, order, move.step.shadow)
        _watch(stage, order, move)
        if move.step.held and stage.judge and stage.judge.sends(move.step):
            experiment.judged(target.notes, new.endpoint)
        copies(stage, order, 0)


def copies(stage: Stage, order: Order, percent: int) -> None:
    """Let the new deployment get copies of so many percent of the requests from now on."""
    new, target = order.wanted, stage.target
    found = wait.until_settled(target, new.endpoint, order.deadline)
    if found.shadow.get(new.name, 0) == percent:
        return
    if percent and "shadow beside others" in target.limits:
        _clear(stage, order, found)
    with stage.say.step(f"copies to {new.name}: {percent} % of the requests"):
        endpoint_changes.copy(target, new.endpoint, new.name, percent, order.deadline)


def retire(stage: Stage, order: Order, before: Endpoint) -> None:
    """Undeploy what neither serves, nor is the new deployment, nor the one to roll back to.

    An experiment decides nothing yet, and takes nothing away.
    """
    new = order.wanted
    if order.course[-1].held:
        return
    found = stage.target.describe(new.endpoint)
    previous = way_back(stage.target, order, before)
    kept = {new.name, previous, *found.traffic}
    for name in sorted(name for name in before.deployments if name not in kept):
        with stage.say.step(f"undeploy {name}"):
            endpoint_changes.retire(stage.target, new.endpoint, name, order.deadline.again())


def way_back(target: Target, order: Order, before: Endpoint) -> str | None:
    """Return which deployment stays beside the new one for a rollback; None for none."""
    name = order.wanted.name
    if not order.keep_previous:
        return None
    return journal.previous(target.notes, before, name) or history.previous(before, name)


def _clear(stage: Stage, order: Order, found: Endpoint) -> None:
    for name in sorted(set(found.deployments) - set(found.traffic) - {order.wanted.name}):
        with stage.say.step(f"undeploy {name}: nothing may stand beside copies here"):
            endpoint_changes.retire(stage.target, found.name, name, order.deadline)


def _watch(stage: Stage, order: Order, move: Move) -> None:
    """Look again and again until the bake time is over and nothing is waited for."""
    step, whom, since = move.step, order.wanted.name, datetime.now(UTC)
    if not stage.judge and not step.bake:
        _refuse_rolled_back(stage, order, move)
        return
    patience = stage.judge.limits.patience if stage.judge else 0.0
    baked, look = order.deadline.of(step.bake), Look()
    with stage.say.step(f"{'judge' if stage.judge else 'watch'} {whom} at {_at(step)}") as told:
        for _ in wait.looks(order.deadline.of(step.bake + patience)):
            _refuse_rolled_back(stage, order, move)
            look = _look(stage, order, move, since)
            told.detail = str(look) if stage.judge else ""
            if not baked.left() and not look.awaited:
                return
            told.awaits(look.awaited)
        raise DeadlineError(
            f"{whom} at {_at(step)} waited in vain for: {look.awaited or 'the bake time'}. Send "
            "requests, ask for fewer by gates.minimum_requests, or allow more time by "
            "gates.patience and --timeout"
        )


def _look(stage: Stage, order: Order, move: Move, since: datetime) -> Look:
    if not stage.judge:
        return Look()
    new = order.wanted
    case = Case(new.endpoint, new.name, move.step, since, _beside(move, new.name))
    look = stage.judge.look(case)
    failed = look.saying(Ruling.FAILED)
    if failed:
        raise GateError(f"{new.name} at {_at(move.step)}: {failed}. {look.remark}".rstrip())
    return look


def _refuse_rolled_back(stage: Stage, order: Order, move: Move) -> None:
    """Refuse to go on where the endpoint is not as we left it, and stays so for a while."""
    name = order.wanted.name
    for _ in wait.looks(order.deadline.of(endpoint_changes.GRACE)):
        found = stage.target.describe(order.wanted.endpoint)
        as_set = found.traffic == move.split and found.shadow.get(name, 0) == move.step.shadow
        if as_set and name in found.deployments:
            return
    shown = history.traffic_text(found.traffic)
    there = "" if name in found.deployments else f", and {name} is gone"
    raise RolledBackError(
        f"{name} at {_at(move.step)}: the endpoint is not as we set it, traffic is {shown}{there}. "
        "The cloud rolled back by itself, or somebody else changed it. "
        f"Reason: {found.reason or 'the cloud gave none'}"
    )


def _at(step: Step) -> str:
    return f"copies of {step.shadow} %" if step.shadow else f"{step.percent} %"


def _beside(move: Move, name: str) -> str:
    """Return who serves most beside `name`; empty for nobody."""
    others = {other: share for other, share in move.split.items() if other != name}
    return max(others, key=lambda other: (others[other], other), default="")
