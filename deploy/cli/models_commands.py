"""The verbs of ``models``: what is registered, who approved it, and what it is called."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tridock.deploy.cli import confirm, report
from tridock.deploy.cli.session import Session
from tridock.deploy.models import aliases, approval
from tridock.deploy.models.reference import Reference, alias, find
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.model_registry import Approval, ModelVersion, record


def run(options: argparse.Namespace, session: Session) -> None:
    """Run the verb of ``models``."""
    VERBS[options.verb](options, session)


def _register(options: argparse.Namespace, session: Session) -> None:
    with session.say.step("verify the bundle") as step:
        bundle = session.bundle()
        step.detail = f"{bundle.name} {bundle.version}, SHA-256 {bundle.digest[:12]}…"
    _ask(options, session, f"register {bundle.name} {bundle.version}")
    with session.say.step(f"register {bundle.name} {bundle.version}") as step:
        version = session.target.models.register(bundle)
        step.detail = version.artifact
    _show_versions(options, [version])


def _list(options: argparse.Namespace, session: Session) -> None:
    models = session.target.models
    named = [_read(options.model).model] if options.model else models.names()
    versions = [version for name in named for version in models.versions(name)]
    if options.model and not versions:
        find(models, Reference(named[0]))  # says what there is
    _show_versions(options, versions)


def _show(options: argparse.Namespace, session: Session) -> None:
    version = find(session.target.models, _read(options.model))
    forced = approval.forced(session.target.notes, version.digest)
    named = aliases.changes(session.target.notes, version.model)
    if options.json:
        recorded = {"forced": [vars(one) for one in forced], "named": [vars(one) for one in named]}
        report.say_json(record(version) | recorded)
    else:
        report.say_version(version, forced, named)


def _approve(options: argparse.Namespace, session: Session) -> None:
    version = find(session.target.models, _read(options.model))
    decision = Approval.REJECTED if options.reject else Approval.APPROVED
    reason = approval.signed(options.reason, session.target.caller())
    _ask(options, session, f"let {version.model} {version.version} be {decision.value}")
    title = f"{decision.value} {version.model} {version.version}: {reason}"
    with session.say.step(title):
        session.target.models.approve(version.model, version.version, decision, reason)
    _show_versions(options, [_again(session, version)])


def _alias(options: argparse.Namespace, session: Session) -> None:
    try:
        name = alias(options.alias)
    except ValueError as error:
        raise ConfigError(f"{options.alias!r}: {error}") from error
    registered = find(session.target.models, _read(options.model))
    _ask(options, session, f"let alias {name} of {registered.model} be {registered.version}")
    models, caller = session.target.models, session.target.caller()
    named = (
        version.version for version in models.versions(registered.model) if name in version.aliases
    )
    with session.say.step(f"alias {name} of {registered.model} is {registered.version}"):
        before = next(named, "")
        aliases.record(session.target.notes, registered, name, before=before, caller=caller)
        models.alias(registered.model, name, registered.version)
    _show_versions(options, [_again(session, registered)])


VERBS: Mapping[str, Callable[[argparse.Namespace, Session], None]] = {
    "register": _register,
    "list": _list,
    "show": _show,
    "approve": _approve,
    "alias": _alias,
}


def _ask(options: argparse.Namespace, session: Session, what: str) -> None:
    if session.live:
        confirm.demand(options, f"{what} in the registry of {session.config.target}")


def _read(text: str) -> Reference:
    try:
        return Reference.read(text)
    except ValueError as error:
        raise ConfigError(f"{text!r}: {error}") from error


def _again(session: Session, version: ModelVersion) -> ModelVersion:
    return find(session.target.models, Reference(version.model, version.version))


def _show_versions(options: argparse.Namespace, versions: Sequence[ModelVersion]) -> None:
    if options.json:
        records: list[dict[str, Any]] = [record(version) for version in versions]
        report.say_json(records)
    else:
        report.say_versions(versions)
