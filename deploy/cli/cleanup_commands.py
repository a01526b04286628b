"""Commands for orphans and idle endpoints: list them, and delete orphans after a question."""

from __future__ import annotations

import argparse
import shlex
from datetime import UTC, datetime
from typing import Any

from tridock.deploy.cleanup import idle
from tridock.deploy.cleanup.idle import Idle, Patience
from tridock.deploy.cleanup.sweep import Broom, Found, Swept, look, sweep
from tridock.deploy.cli import confirm, report
from tridock.deploy.cli.session import Session
from tridock.deploy.target.records import Endpoint


def run(options: argparse.Namespace, session: Session) -> None:
    """List what is left over and, once that is wanted, delete it.

    Raises
    ------
    ConfigError
        If it is not.
    TargetError
        If the target did not let something be deleted; the rest is.
    """
    with session.say.step("look for what serves nothing") as step:
        orphaned = look(session.target, only=options.endpoint or "")
        step.detail = f"{len(orphaned.orphans)} to delete, {len(orphaned.kept)} to keep"
    if not options.json:
        report.say_leftovers(orphaned)
    swept = _swept(options, session, orphaned)
    if options.json:
        report.say_json(report.sweep_record(orphaned, swept))
    elif swept:
        report.say_swept(swept, orphaned.kept)
    if swept and swept.failures:
        raise swept.failures[0]


def _swept(options: argparse.Namespace, session: Session, orphaned: Found) -> Swept | None:
    """Delete what was found; None if that was not confirmed, since JSON output has no question."""
    if not orphaned.orphans or (options.json and not options.yes):
        return None
    count, place = len(orphaned.orphans), session.config.target
    account = "live " if session.live else ""
    confirm.demand(options, f"delete {count} left over on the {account}target {place}")
    return sweep(Broom(session.target, session.say, session.deadline()), orphaned)


def unasked(session: Session, endpoint: Endpoint) -> Idle | None:
    """Return an endpoint as idle if it had no request for `idle_hours`, or None."""
    patience = Patience(session.config.idle_hours, datetime.now(UTC), session.say.note)
    return idle.look(session.target, endpoint, patience, session.cloud.prices)


def warning(options: argparse.Namespace, session: Session, unused: Idle) -> str:
    """Return a line about an idle endpoint: its cost, and the command that ends it."""
    cost = "at a price that is not known"
    if unused.dollars is not None:
        cost = f"${unused.dollars:.3f} per hour" if unused.dollars else "at no cost"
    return (
        f"warning: {unused.endpoint} had no request for {unused.hours:g} hours or longer, {cost}; "
        f"to end it: {_ending(options, session, unused.endpoint)}"
    )


def record(options: argparse.Namespace, session: Session, unused: Idle | None) -> Any:
    """Return a warning as JSON-ready values; None for none."""
    if unused is None:
        return None
    command = _ending(options, session, unused.endpoint)
    return {"hours": unused.hours, "usd_per_hour": unused.dollars, "command": command}


def _ending(options: argparse.Namespace, session: Session, endpoint: str) -> str:
    """Return the command that deletes an endpoint of the same account."""
    words = ["tridock", "delete", "--target", session.config.target]
    for flag, given in (("--file", options.file), ("--state", options.state)):
        words += [flag, str(given)] if given else []
    for given in options.set:
        words += ["--set", given]
    words += ["--live"] if session.live else []
    return shlex.join([*words, "--endpoint", endpoint])
