"""The verbs of the command line: each makes its calls, prints its result, and returns it."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tridock.deploy.cli import cleanup_commands, confirm, doctor, models_commands, report
from tridock.deploy.cli import report as snippets
from tridock.deploy.cli.session import Session, deleting
from tridock.deploy.models import approval
from tridock.deploy.rollout import (
    compare,
    endpoint_changes,
    experiment,
    history,
    journal,
    labels,
    manual_traffic,
    steps,
)
from tridock.deploy.rollout.labels import Labels
from tridock.deploy.rollout.manual_traffic import TrafficSplit
from tridock.deploy.rollout.plan import Plan, plan
from tridock.deploy.rollout.promote import promote, stop
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.target.records import Endpoint
from tridock.inference.plaintext import lines

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


def run(options: argparse.Namespace, session: Session) -> None:
    """Run the verb of the command line."""
    COMMANDS[options.command](options, session)


def _release(options: argparse.Namespace, session: Session) -> None:
    session = session.fetched()
    bundle = _verified(session)
    order = _order(options, session, bundle)
    against = session.objection(bundle)
    if session.live:
        approval.demand(against, session.config.target, options.force)
        proposed = _plan_of(session, order)
        report.say_plan(proposed) if not options.json else None
        confirm.demand(options, f"release to {session.config.target}, which costs money")
    with session.alone(f"release of {bundle.name} {bundle.version}") as alone:
        if against:
            caller, why = alone.target.caller(), options.force
            forced = approval.force(
                bundle, session.endpoint, why=why, stood=against.said, caller=caller
            )
            approval.record(alone.target.notes, forced)
            session.say.note(f"forced, and recorded: {against.said}")
        current = release(alone.rollout(bundle), bundle, order)
    _show(options, session, current)


def _plan(options: argparse.Namespace, session: Session) -> None:
    session = session.fetched()
    bundle = _verified(session)
    against = session.objection(bundle)
    if against:
        session.say.note(f"the release would be refused: {against.said}")
    order = _order(options, session, bundle)
    trial = experiment.running(session.target, order.wanted.endpoint)
    if trial and experiment.is_spoiled(trial, order) and not order.end_experiment:
        refused = experiment.refused(trial, f"a release of {order.wanted.name}")
        session.say.note(f"the release would be refused: {refused}")
    proposed = _plan_of(session, order)
    report.say_json(report.plan_record(proposed)) if options.json else report.say_plan(proposed)


def _status(options: argparse.Namespace, session: Session) -> None:
    named = session.config.endpoint
    names = [named] if named else list(session.target.endpoints())
    endpoints = [session.target.describe(name) for name in names]
    unasked = [cleanup_commands.unasked(session, endpoint) for endpoint in endpoints]
    if options.json:
        warned = [{"idle": cleanup_commands.record(options, session, one)} for one in unasked]
        records = [
            _with_snippets(session, endpoint) | _history(options, session, endpoint)
            for endpoint in endpoints
        ]
        report.say_json([{**one, **more} for one, more in zip(records, warned, strict=True)])
        return
    report.say_endpoints(endpoints)
    for one in endpoints if options.history else ():
        report.say_history(one.name, journal.read(session.target.notes, one.name))
    for idle in filter(None, unasked):
        report.say(cleanup_commands.warning(options, session, idle))
    for one in endpoints:
        _say_snippets(session, one.name)


def _invoke(options: argparse.Namespace, session: Session) -> None:
    session = session if options.data else session.fetched()
    body = options.data.encode() if options.data else snippets.example(session)
    if body is None:
        raise ConfigError("nothing to send: use --data, or name `request` in release.toml")
    with session.say.step(f"invoke {session.endpoint}"):
        answer = session.target.invoke(session.endpoint, body, deployment=options.deployment)
    report.say(answer.decode(errors="replace"))
    _say_snippets(session, session.endpoint, body)


def _traffic(options: argparse.Namespace, session: Session) -> None:
    endpoint, wanted = session.endpoint, manual_traffic.read(options.split)
    if wanted:
        text = history.traffic_text(wanted)
        if session.live:
            confirm.demand(options, f"split traffic of {endpoint}: {text}")
        division = TrafficSplit(wanted, options.reason, options.end_experiment)
        with session.alone(f"traffic: {text}") as alone:
            manual_traffic.split(
                Rollout(alone.target, say=alone.say), endpoint, division, alone.deadline()
            )
    _show(options, session, session.target.describe(endpoint))


def _compare(options: argparse.Namespace, session: Session) -> None:
    target, known = session.target, Labels({}, ())
    current = target.describe(session.endpoint)
    trial = experiment.find(target.notes, current, options.deployment)
    if options.labels:
        known = labels.read(options.labels)
    seen = compare.compare(target, current, trial, known, terms=session.config.compare)
    if options.json:
        report.say_json(compare.record(seen))
    else:
        report.say_comparison(seen)


def _promote(options: argparse.Namespace, session: Session) -> None:
    session = session.fetched()
    name = _candidate(options, session)
    if session.live:
        confirm.demand(options, f"move all traffic of {session.endpoint} to {name}")
    with session.alone(f"promotion of {name}") as alone:
        rollout = Rollout(alone.target, alone.judge_of(name), alone.say)
        current = promote(rollout, replace(alone.promotion(name), why=options.reason))
    _show(options, session, current)


def _stop(options: argparse.Namespace, session: Session) -> None:
    name = _candidate(options, session)
    if session.live:
        confirm.demand(options, f"undeploy {name}, and give its traffic of {session.endpoint} back")
    with session.alone(f"stop of {name}") as alone:
        rollout = Rollout(alone.target, say=alone.say)
        current = stop(rollout, session.endpoint, name, session.deadline(), why=options.reason)
    _show(options, session, current)


def _candidate(options: argparse.Namespace, session: Session) -> str:
    """Return the new one of two: of the experiment, or of the one that this command ended last.

    Raises
    ------
    ConfigError
        If another one is named than the experiment's, or there is none.
    """
    notes = session.target.notes
    current = session.target.describe(session.endpoint)
    trial, named = experiment.standing(notes, current), options.deployment
    if trial and named not in (None, trial.new):
        raise experiment.refused(trial, f"{options.command} of {named}", ending=False)
    entry = None if trial else journal.last(notes, current.name, options.command)
    if entry and named in (None, entry.deployment):
        return entry.deployment
    return experiment.find(notes, current, named).new


def _rollback(options: argparse.Namespace, session: Session) -> None:
    if session.live:
        to = options.to or "the release before"
        confirm.demand(options, f"roll {session.endpoint} back to {to}")
    with session.alone("rollback") as alone:
        rollout = Rollout(alone.target, say=session.say)
        current = rollback(
            rollout, session.endpoint, session.deadline(), to=options.to, why=options.reason
        )
    _show(options, session, current)


def _logs(options: argparse.Namespace, session: Session) -> None:
    name = options.deployment or _newest(session)
    lines = session.target.logs(session.endpoint, name, lines=options.lines)
    if options.json:
        report.say_json({"endpoint": session.endpoint, "deployment": name, "lines": list(lines)})
    else:
        report.say("\n".join(lines))


def _delete(options: argparse.Namespace, session: Session) -> None:
    endpoint = session.endpoint
    if session.live:
        confirm.demand(options, f"delete {endpoint} and all it holds")
    with deleting(session) as alone, session.say.step(f"delete endpoint {endpoint}"):
        endpoint_changes.remove(alone.target, endpoint, session.deadline())
    record = {"endpoint": endpoint, "deleted": True}
    report.say_json(record) if options.json else report.say(f"{endpoint} is deleted")


def _doctor(options: argparse.Namespace, session: Session) -> None:
    findings = doctor.examine(session)
    if options.json:
        report.say_json([vars(finding) for finding in findings])
    else:
        width = min(100, shutil.get_terminal_size((100, 24)).columns)
        report.say("\n".join(finding.text(width) for finding in findings))
    doctor.refuse_ill(findings)


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Session], None]] = {
    "doctor": _doctor,
    "models": models_commands.run,
    "plan": _plan,
    "release": _release,
    "status": _status,
    "invoke": _invoke,
    "traffic": _traffic,
    "compare": _compare,
    "promote": _promote,
    "stop": _stop,
    "rollback": _rollback,
    "logs": _logs,
    "delete": _delete,
    "sweep": cleanup_commands.run,
}


def _order(options: argparse.Namespace, session: Session, bundle: Bundle) -> ReleaseRequest:
    """Return what a release is to do, with what the words of the command say of it."""
    why = getattr(options, "reason", "") or getattr(options, "force", "") or ""
    return replace(session.order(bundle), why=why, end_experiment=options.end_experiment)


def _history(options: argparse.Namespace, session: Session, current: Endpoint) -> dict[str, Any]:
    """Return an endpoint's history as JSON-ready values, newest first, if the command wants it."""
    if not options.history:
        return {}
    entries = journal.read(session.target.notes, current.name)
    return {"history": [entry.record() for entry in reversed(entries)]}


def _verified(session: Session) -> Bundle:
    with session.say.step("verify the bundle") as step:
        bundle = session.bundle()
        step.detail = f"{bundle.name} {bundle.version}, SHA-256 {bundle.digest[:12]}…"
    return bundle


def _plan_of(session: Session, order: ReleaseRequest) -> Plan:
    try:
        before = session.target.describe(order.wanted.endpoint)
    except NotFoundError:
        before = None
    way_back = steps.way_back(session.target, order, before) if before else None
    return plan(order, before, session.cloud.prices, way_back)


def _show(options: argparse.Namespace, session: Session, current: Endpoint) -> None:
    if options.json:
        report.say_json(_with_snippets(session, current))
        return
    report.say_endpoints([current])
    _say_snippets(session, current.name)


def _with_snippets(session: Session, current: Endpoint) -> dict[str, object]:
    calls = snippets.calls(session, current.name)
    return report.endpoint_record(current) | {"snippets": dict(calls)}


def _say_snippets(session: Session, endpoint: str, body: bytes | None = None) -> None:
    """End with calls to paste; on standard error, so that a result can be piped."""
    calls = snippets.calls(session, endpoint, body)
    if calls:
        sys.stderr.write(f"\n{lines(snippets.text(calls))}\n")


def _newest(session: Session) -> str:
    current = session.target.describe(session.endpoint)
    serving = history.newest_serving(current)
    ranked = [serving] if serving else history.by_age(current.deployments.values())
    if not ranked:
        raise NotFoundError(f"no deployment behind {session.endpoint}")
    return ranked[0].name
