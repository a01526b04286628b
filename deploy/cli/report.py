"""Results: tables and text for people, JSON for machines; all on standard output."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tridock.deploy.cleanup.sweep import Found, Kept, Swept
from tridock.deploy.cli.session import Session
from tridock.deploy.config import account, keys
from tridock.deploy.models.aliases import Naming
from tridock.deploy.models.approval import Forced
from tridock.deploy.rollout import compare, history
from tridock.deploy.rollout.compare import Comparison
from tridock.deploy.rollout.journal import Entry
from tridock.deploy.rollout.plan import Plan
from tridock.deploy.target.model_registry import ModelVersion
from tridock.deploy.target.probes import probes, read_request
from tridock.deploy.target.records import Deployment, Endpoint, Orphan, Restarts, State
from tridock.inference.plaintext import line, lines

STYLE: Any = {"box": box.SIMPLE, "pad_edge": False, "show_edge": False}
VERSIONS = ("model", "version", "approval", "aliases", "metrics", "digest", "created")
DIGEST = re.compile(r"[0-9a-f]{64}")
LEFTOVERS = ("kind", "name", "endpoint", "created")
HISTORY = ("when", "command", "from", "to", "outcome", "by", "why")
COLUMNS = ("endpoint", "deployment", "state", "traffic", "version", "digest", "size", "created")


def say(text: str) -> None:
    """Print one result; what could move a cursor is shown as an escape."""
    sys.stdout.write(lines(text.rstrip("\n")) + "\n")


def say_json(record: Any) -> None:
    """Print one result for machines."""
    say(json.dumps(record, indent=2))


def say_endpoints(endpoints: Sequence[Endpoint]) -> None:
    """Print endpoints and their deployments, newest first, as a table."""
    table = Table(*COLUMNS, **STYLE)
    for endpoint in endpoints:
        for one in history.by_age(endpoint.deployments.values()):
            _row(table, *_cells(endpoint, one))
        if not endpoint.deployments:
            _row(table, endpoint.name, "(none)", endpoint.state.value)
    _print(table)
    for endpoint in endpoints:
        for one in history.by_age(endpoint.deployments.values()):
            if text := _trouble(one):
                say(f"{endpoint.name}/{one.name}: {text}")


def say_history(endpoint: str, entries: Sequence[Entry]) -> None:
    """Print who moved the traffic of an endpoint, newest first, as a table."""
    table = Table(title=f"history of {endpoint}", title_justify="left", **STYLE)
    for column in HISTORY:
        table.add_column(column, overflow="fold")
    for entry in reversed(entries):
        moved = (history.traffic_text(split) for split in (entry.before, entry.after))
        outcome = ": ".join(filter(None, (entry.outcome.value, entry.failure)))
        when = _time(datetime.fromisoformat(entry.began))
        _row(table, when, entry.verb, *moved, outcome, entry.who, entry.why)
    if not entries:
        _row(table, "(none)")
    _print(table)


def say_plan(plan: Plan) -> None:
    """Print a plan's steps and cost."""
    for step in plan.steps or ("nothing to do",):
        say(f"  {step}")
    say(
        f"  cost per hour: now {_dollars(plan.now)}, while traffic moves {_dollars(plan.during)}, "
        f"then {_dollars(plan.after)}"
        + (f", scaled out {_dollars(plan.most)}" if plan.most != plan.after else "")
    )
    if plan.source:
        say(f"  prices: {plan.source}")


def say_comparison(comparison: Comparison) -> None:
    """Print both sides of an experiment, and the verdict on the new one."""
    sides = (
        f"{side.name}, {comparison.traffic.get(side.name, 0)} %"
        for side in (comparison.old, comparison.new)
    )
    table = Table("", *sides, "test", "the new one is", **STYLE)
    for row in compare.rows(comparison):
        _row(table, *row)
    _print(table)
    say(f"verdict on {comparison.new.name}: {comparison.finding.value} ({comparison.why})")
    say(f"since {comparison.experiment.began}")


def say_versions(versions: Sequence[ModelVersion]) -> None:
    """Print registered versions as a table, in their order."""
    table = Table(*VERSIONS, **STYLE)
    for version in versions:
        aliases, metrics = ", ".join(version.aliases), _metrics(version.metrics)
        about = (
            version.approval.value,
            aliases,
            metrics,
            version.digest[:12],
            _time(version.created),
        )
        _row(table, version.model, version.version, *about)
    if not versions:
        _row(table, "(none)")
    _print(table)


def say_version(
    version: ModelVersion, forced: Sequence[Forced], named: Sequence[Naming] = ()
) -> None:
    """Print all that is known of a registered version, a line for each."""
    facts = {
        "model": f"{version.model} {version.version}",
        "approval": f"{version.approval.value}{f' by {version.reason}' if version.reason else ''}",
        "aliases": ", ".join(version.aliases) or "none",
        "metrics": _metrics(version.metrics) or "none",
        "digest": version.digest,
        "data": version.data or "unknown",
        "source": version.source or "unknown",
        "artifact": version.artifact,
        "cloud's number": version.number,
        "created": _time(version.created),
    }
    for name, value in facts.items():
        say(f"{name:<15} {value}")
    for each in forced:
        say(
            f"{'forced':<15} to {each.endpoint} by {_by(each)}, {each.when}: {each.why} "
            f"(against: {each.stood})"
        )
    for change in named:
        before = f", before {change.before}" if change.before else ""
        changed = f"{change.alias} is {change.version}{before}"
        say(f"{'alias':<15} {changed}, by {_by(change)}, {change.when}")


def _by(record: Forced | Naming) -> str:
    """Say who did something, and what was claimed beside that."""
    claimed = f" (claimed, not verified: {record.claimed})" if record.claimed else ""
    return f"{record.who}{claimed}"


def say_leftovers(orphaned: Found) -> None:
    """Print what is left over, and what of it stays."""
    table = Table(*LEFTOVERS, "why it is left over", **STYLE)
    for orphan in orphaned.orphans:
        _row(table, *_leftover(orphan), orphan.reason)
    if orphaned.orphans:
        _print(table)
    else:
        say("nothing is left over" + (" that can be deleted now" if orphaned.kept else ""))
    _say_kept(orphaned.kept)


def say_swept(swept: Swept, facts: Sequence[Kept]) -> None:
    """Print what was deleted, and what was not and why, unless that was printed before."""
    for one in swept.deleted:
        say(f"deleted {one.kind} {_short(one.name)}")
    _say_kept([each for each in swept.kept if each not in facts])
    say(f"{len(swept.deleted)} deleted, {len(swept.kept)} kept")


def sweep_record(orphaned: Found, swept: Swept | None) -> dict[str, Any]:
    """Return what was found, deleted and kept as JSON-ready values."""
    kept = swept.kept if swept else orphaned.kept
    deleted = swept.deleted if swept else ()
    return {
        "found": [_leftover_record(orphan) for orphan in orphaned.orphans],
        "deleted": [_leftover_record(one) for one in deleted],
        "kept": [_leftover_record(one.orphan) | {"because": one.because} for one in kept],
    }


def endpoint_record(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as JSON-ready values."""
    return {
        "endpoint": endpoint.name,
        "state": endpoint.state.value,
        "reason": endpoint.reason,
        "url": endpoint.url,
        "traffic": dict(endpoint.traffic),
        "shadow": dict(endpoint.shadow),
        "deployments": [
            _record(endpoint, one) for one in history.by_age(endpoint.deployments.values())
        ],
    }


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON-ready values."""
    cost = {"now": plan.now, "during": plan.during, "after": plan.after, "most": plan.most}
    return {"steps": list(plan.steps), "usd_per_hour": cost | {"source": plan.source}}


def _say_kept(kept: Sequence[Kept]) -> None:
    """Print what stays, by the reason."""
    for because in dict.fromkeys(each.because for each in kept):
        say(f"kept, because {because}:")
        for each in kept:
            if each.because == because:
                say(f"  {each.orphan.kind} {_short(each.orphan.name)}")


def _leftover(orphan: Orphan) -> tuple[str, ...]:
    return orphan.kind, _short(orphan.name), orphan.endpoint, _time(orphan.created)


def _short(name: str) -> str:
    """Cut the digests in a name."""
    return DIGEST.sub(lambda match: f"{match[0][:12]}…", name)


def _leftover_record(orphan: Orphan) -> dict[str, Any]:
    return {**asdict(orphan), "created": orphan.created.isoformat() if orphan.created else None}


def _row(table: Table, *cells: str) -> None:
    """Add a row, in which no name is read as rich's markup, and nothing moves a cursor."""
    table.add_row(*(Text(line(cell)) for cell in cells))


def _print(table: Table) -> None:
    # A pipe has no width.
    draw(table, Console(highlight=False, width=None if sys.stdout.isatty() else 200))


def draw(table: Table, console: Console) -> None:
    """Print a table: cells are wrapped between words, and no name is cut or broken.

    Where the console is too narrow for that, the table is wider than the console.
    """
    for column in table.columns:
        words = " ".join(map(str, (column.header, *column.cells))).split()
        column.overflow = "fold"
        column.min_width = max(map(len, words), default=0)
    console.print(table, crop=False)


def _record(endpoint: Endpoint, deployment: Deployment) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "state": deployment.state.value,
        "reason": deployment.reason,
        "traffic": endpoint.traffic.get(deployment.name, 0),
        "bundle": deployment.bundle,
        "version": deployment.version,
        "digest": deployment.digest,
        "instance": deployment.instance,
        "count": deployment.count,
        "scaling": asdict(deployment.scaling) if deployment.scaling else None,
        "created": deployment.created.isoformat() if deployment.created else None,
        "restarts": _restarts(deployment.restarts) if deployment.restarts else None,
    }


def _restarts(restarts: Restarts) -> dict[str, Any]:
    next_try = restarts.next_try.isoformat() if restarts.next_try else None
    return {**asdict(restarts), "next_try": next_try}


def _cells(endpoint: Endpoint, deployment: Deployment) -> tuple[str, ...]:
    created = _time(deployment.created)
    size = f"{deployment.count} x {deployment.instance}" if deployment.instance else ""
    size += f", {deployment.scaling}" if deployment.scaling else ""
    share = f"{endpoint.traffic.get(deployment.name, 0)} %"
    share += (
        f", copies of {endpoint.shadow[deployment.name]} %"
        if deployment.name in endpoint.shadow
        else ""
    )
    state = deployment.state.value
    if endpoint.state is not deployment.state and endpoint.state.value in ("updating", "deleting"):
        state = f"{state} ({endpoint.state.value})"
    return (
        endpoint.name,
        deployment.name,
        state,
        share,
        deployment.version,
        deployment.digest[:12],
        size,
        created,
    )


def _trouble(deployment: Deployment) -> str:
    """Say why a deployment failed, and how often its model server ended; empty if it did not."""
    reason = deployment.reason if deployment.state is State.FAILED else ""
    return "\n".join(filter(None, (str(deployment.restarts or ""), reason)))


def _metrics(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {metrics[name]:.4g}" for name in sorted(metrics))


def _time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _dollars(cost: float | None) -> str:
    return "unknown (no public price on file)" if cost is None else f"${cost:.3f}"


# Calls to paste after a command: they send a request that the endpoint's model answers.


def example(session: Session) -> bytes | None:
    """Return a request that the model answers, if the configuration leads to one."""
    config = session.config
    if config.request:
        return read_request(config.request)
    if config.bundle and (config.bundle / "manifest.json").exists():
        bundle = session.bundle()
        return probes(bundle, None)[0].body if bundle.manifest.examples else None
    return None


def calls(session: Session, endpoint: str, body: bytes | None = None) -> Mapping[str, str]:
    """Return calls by the name of the client; none where no request is known.

    Before those to an emulated cloud comes what leads a shell to it.
    """
    body = body or example(session)
    if not body:
        return {}
    lead = {"shell": _lead(session)} if session.cloud.provision and not session.live else {}
    return lead | dict(session.target.snippets(endpoint, body))


def text(snippets: Mapping[str, str]) -> str:
    """Return calls for people, each under its client's name."""
    return "\n\n".join(f"# {client}\n{call}" for client, call in snippets.items())


def _lead(session: Session) -> str:
    own = Path(sys.executable)
    here = own.is_relative_to(Path.cwd())
    command = [str(own.relative_to(Path.cwd())) if here else str(own)]
    command += account.DOOR + ["env", session.config.target]
    if session.config.state != keys.STATE:
        command += ["--state", os.fspath(session.config.state)]
    return f'eval "$({shlex.join(command)})"'
