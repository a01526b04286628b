"""The words of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from tridock.deploy.target import plugins
from tridock.deploy.target.errors import ConfigError

#: Verb to what it does, in the order of a release's life.
VERBS = {
    "doctor": "check this machine, the configuration, the account and the bundle",
    "models": "register bundles, list and show versions, approve them, give them aliases",
    "plan": "say what a release would change, and what it costs per hour",
    "release": "bring a bundle up and move traffic to it in steps, judged at each",
    "status": "show endpoints, deployments, states, traffic, digests and versions",
    "invoke": "send one request and print the answer",
    "traffic": "show how traffic is split, or split it: NAME=PERCENT …",
    "compare": "hold both sides of an ab or shadow release against each other",
    "promote": "move all traffic to the new one of an experiment, judged",
    "stop": "end an experiment: the old one serves all, and the new one is undeployed",
    "rollback": "move all traffic to what served before the last release, or to another one",
    "logs": "print what a deployment's model server wrote",
    "delete": "delete the endpoint and all it holds",
    "sweep": "list what bears our marks and serves nothing and, after asking, delete it",
}

#: Of ``models``, in the order of a version's life.
MODELS = {
    "register": "store a bundle and enter it in the registry, pending",
    "list": "show versions: approval, aliases, metrics, digests",
    "show": "show all that is known of a version: lineage, who decided, forced releases",
    "approve": "approve a version for live accounts, or reject it",
    "alias": "let an alias name a version, and no other",
}

EXIT_CODES = (
    "exit codes: 0 done, 1 failed, 2 usage or configuration, 3 a gate said no (traffic restored), "
    "4 the cloud refused or rolled back by itself, 5 not finished in time, 6 credentials"
)


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the words; on a wrong one the process says so and exits with 2."""
    return parser().parse_args(words)


def flags(options: argparse.Namespace) -> Mapping[str, str]:
    """Return the configuration's keys that the words set.

    Raises
    ------
    ConfigError
        If a ``--set`` is not ``KEY=VALUE``.
    """
    named = {"target": options.target, "endpoint": options.endpoint, "bundle": options.bundle}
    named |= {"timeout": options.timeout, "state": options.state, "model": options.use}
    return _pairs(options.set) | {key: str(word) for key, word in named.items() if word is not None}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the room's door."""
    top = argparse.ArgumentParser(
        prog="tridock", description="Take a bundle to an endpoint.", epilog=EXIT_CODES
    )
    verbs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for verb, about in VERBS.items():
        own = verbs.add_parser(verb, help=about, description=about, epilog=EXIT_CODES)
        _models(own) if verb == "models" else _settings(own)
    about = "with --live: release what is not approved, for this reason, which is recorded"
    verbs.choices["release"].add_argument("--force", metavar="REASON", help=about)
    invoke, traffic, logs = (verbs.choices[verb] for verb in ("invoke", "traffic", "logs"))
    invoke.add_argument("--data", metavar="JSON", help="the request; by default the example's")
    for one in (invoke, logs):
        one.add_argument("--deployment", metavar="NAME", help="a deployment, whatever its traffic")
    traffic.add_argument("split", nargs="*", metavar="NAME=PERCENT", help="sums to 100")
    _changes(verbs.choices)
    for verb in ("compare", "promote", "stop"):
        about = "the new deployment, where no experiment is recorded"
        verbs.choices[verb].add_argument("--deployment", metavar="NAME", help=about)
    about = "CSV or JSON lines: request_id,label or deployment,prediction,label"
    verbs.choices["compare"].add_argument("--labels", type=Path, metavar="FILE", help=about)
    logs.add_argument("--lines", type=int, default=50, metavar="N", help="the last N (%(default)s)")
    return top


def _changes(verbs: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add what concerns the history of an endpoint, and experiments."""
    for verb in ("release", "traffic", "promote", "stop", "rollback"):
        verbs[verb].add_argument("--reason", default="", metavar="WHY", help="kept in the history")
    about = "this deployment, and not the one that served before"
    verbs["rollback"].add_argument("--to", default="", metavar="NAME", help=about)
    about = "end the experiment that runs; otherwise what would spoil it is refused"
    for verb in ("release", "plan", "traffic"):
        verbs[verb].add_argument("--end-experiment", action="store_true", help=about)
    about = "show who moved traffic, when, from what, to what, and why"
    verbs["status"].add_argument("--history", action="store_true", help=about)


def _models(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``models``, each with the settings that all commands have."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, about in MODELS.items():
        _settings(verbs.add_parser(verb, help=about, description=about, epilog=EXIT_CODES))
    about = "NAME, the newest; NAME:VERSION; NAME@ALIAS"
    for verb in ("show", "approve", "alias"):
        verbs.choices[verb].add_argument("model", metavar="MODEL", help=about)
    verbs.choices["list"].add_argument("model", nargs="?", metavar="NAME", help="default: all")
    approve = verbs.choices["approve"]
    approve.add_argument("--reason", required=True, metavar="WHY", help="kept with who and when")
    approve.add_argument("--reject", action="store_true", help="reject it instead")
    about = "2 to 32 of a-z, 0-9 and -, e.g. champion"
    verbs.choices["alias"].add_argument("alias", metavar="ALIAS", help=about)


def _settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--target", metavar="|".join(plugins.TARGETS), help="where (default: local)")
    add("--file", type=Path, metavar="FILE", help="configuration (default: ./release.toml)")
    add("--endpoint", metavar="NAME", help="default: the file's, else the bundle's name")
    add("--bundle", metavar="DIR", help="default: the file's")
    about = "instead of a bundle: NAME (the newest), NAME:VERSION or NAME@ALIAS"
    add("--model", dest="use", metavar="MODEL", help=about)
    add("--timeout", metavar="S", help="seconds to finish in")
    about = (
        "any other key of the file, with its value as there: gates.requests=50, steps='[50, 100]'"
    )
    add("--set", action="append", default=[], metavar="KEY=VALUE", help=about)
    add("--state", metavar="DIR", help="where the router and the emulated clouds keep state")
    add("--live", action="store_true", help="the real account, and not the emulated one")
    add("--yes", action="store_true", help="with --live, and for sweep: do not ask")
    add("--json", action="store_true", help="the result for machines")


def _pairs(words: list[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise ConfigError(f"--set {word}: KEY=VALUE was expected, e.g. --set gates.requests=50")
    return dict(word.split("=", 1) for word in words)
