"""Results: tables and text for people, JSON for machines; all on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from deploy import comparison, history
from deploy.comparison import Comparison
from deploy.plan import Plan
from deploy.target import Deployment, Endpoint

STYLE: Any = {"box": box.SIMPLE, "pad_edge": False, "show_edge": False}
COLUMNS = ("endpoint", "deployment", "state", "traffic", "version", "digest", "size", "created")


def say(text: str) -> None:
    """Print one result."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def say_json(record: Any) -> None:
    """Print one result for machines."""
    say(json.dumps(record, indent=2))


def say_endpoints(endpoints: Sequence[Endpoint]) -> None:
    """Print endpoints and their deployments, newest first, as a table."""
    table = Table(*COLUMNS, **STYLE)
    for endpoint in endpoints:
        for one in history.by_age(endpoint.deployments.values()):
            table.add_row(*_cells(endpoint, one))
        if not endpoint.deployments:
            table.add_row(endpoint.name, "(none)", endpoint.state.value)
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


def say_comparison(found: Comparison) -> None:
    """Print both sides of an experiment, and the verdict on the new one."""
    sides = (f"{side.name}, {found.traffic.get(side.name, 0)} %" for side in (found.old, found.new))
    table = Table("", *sides, "test", "the new one is", **STYLE)
    for row in comparison.rows(found):
        table.add_row(*row)
    _print(table)
    say(f"verdict on {found.new.name}: {found.finding.value} ({found.why})")
    say(f"since {found.experiment.began}")


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


def _print(table: Table) -> None:
    # A pipe has no width: let no cell be cut there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)


def _record(endpoint: Endpoint, one: Deployment) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.state.value,
        "reason": one.reason,
        "traffic": endpoint.traffic.get(one.name, 0),
        "bundle": one.bundle,
        "version": one.version,
        "digest": one.digest,
        "instance": one.instance,
        "count": one.count,
        "scaling": asdict(one.scaling) if one.scaling else None,
        "created": one.created.isoformat() if one.created else None,
    }


def _cells(endpoint: Endpoint, one: Deployment) -> tuple[str, ...]:
    created = one.created.astimezone().strftime("%Y-%m-%d %H:%M:%S") if one.created else ""
    size = f"{one.count} x {one.instance}" if one.instance else ""
    size += f", {one.scaling}" if one.scaling else ""
    share = f"{endpoint.traffic.get(one.name, 0)} %"
    share += f", copies of {endpoint.shadow[one.name]} %" if one.name in endpoint.shadow else ""
    state = one.state.value
    if endpoint.state is not one.state and endpoint.state.value in ("updating", "deleting"):
        state = f"{state} ({endpoint.state.value})"
    return endpoint.name, one.name, state, share, one.version, one.digest[:12], size, created


def _dollars(cost: float | None) -> str:
    return "unknown (no public price on file)" if cost is None else f"${cost:.3f}"
