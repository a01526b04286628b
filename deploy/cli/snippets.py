"""Calls to paste after a command: they send a request that the endpoint's model answers."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tridock.deploy.cli.session import Session
from tridock.deploy.config import emulator, keys
from tridock.deploy.target.probes import probes, read_request


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
    command += emulator.DOOR + ["env", session.config.target]
    if session.config.state != keys.STATE:
        command += ["--state", os.fspath(session.config.state)]
    return f'eval "$({shlex.join(command)})"'
