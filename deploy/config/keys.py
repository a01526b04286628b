"""The keys of ``release.toml``: how each is read, its default, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tridock.deploy.models.reference import Reference
from tridock.deploy.strategies import STRATEGIES
from tridock.deploy.target.records import METRICS

#: Emulated clouds and the local router keep their state in the current folder.
STATE = Path.cwd() / ".tridock"


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes
    ----------
    read : callable
        Turns a TOML value, or a word of the command line, into the key's type; raises
        `ValueError` saying what it expects.
    default : object
        Its default.
    about : str
        What it means, for the documents.
    """

    read: Callable[[Any], Any]
    default: Any
    about: str


def word(value: object) -> str:
    """Read a text; a whole number is taken as its digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a text was expected")
    return str(value)


def path(value: object) -> Path:
    """Read a path."""
    if not isinstance(value, str) or not value:
        raise ValueError("a path was expected")
    return Path(value)


def reference(value: object) -> Reference:
    """Read the name of a registered version."""
    return Reference.read(word(value))


def yes(value: object) -> bool:
    """Read ``true`` or ``false``."""
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError("true or false was expected")
    return value == "true"


def steps(value: object) -> tuple[int, ...]:
    """Read rising percents that end with 100, as a list or as ``10,50,100``."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ValueError("a list of percents was expected, e.g. [10, 50, 100]")
    percents = tuple(count(part, least=1) for part in parts)
    if not percents or percents[-1] != 100 or list(percents) != sorted(set(percents)):
        raise ValueError("the steps must rise and end with 100, e.g. [10, 50, 100]")
    return percents


def strategy(value: object) -> str:
    """Read the name of a way in which traffic moves."""
    if value not in STRATEGIES:
        raise ValueError(f"one of {', '.join(STRATEGIES)} was expected")
    return str(value)


def seconds(value: object) -> tuple[float, ...]:
    """Read seconds: one number, or a list, or ``60,300,0``."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(number(part) for part in (parts if isinstance(parts, list) else [parts]))


def share(value: object) -> int:
    """Read whole percents from 1 to 100."""
    percent = count(value, least=1)
    if percent > 100:
        raise ValueError("at most 100 was expected")
    return percent


def count(value: object, least: int = 0) -> int:
    """Read a whole number that is at least `least`."""
    if isinstance(value, bool | float) or not isinstance(value, int | str):
        raise ValueError("a whole number was expected")
    try:
        parsed = int(value)
    except ValueError:
        raise ValueError("a whole number was expected") from None
    if parsed < least:
        raise ValueError(f"at least {least} was expected")
    return parsed


def positive(value: object) -> int:
    """Read a whole number from 1 on."""
    return count(value, least=1)


def metric(value: object) -> str:
    """Read the name of what instances may follow."""
    if value not in METRICS:
        raise ValueError(f"one of {', '.join(METRICS)} was expected")
    return str(value)


def number(value: object) -> float:
    """Read a number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a number was expected")
    try:
        parsed = float(value)
    except ValueError:
        raise ValueError("a number was expected") from None
    if not 0 <= parsed < float("inf"):
        raise ValueError("a number from 0 on was expected")
    return parsed


def ratio(value: object) -> float:
    """Read a number from 0 to 1."""
    parsed = number(value)
    if parsed > 1:
        raise ValueError("a ratio from 0 to 1 was expected")
    return parsed


def endpoint(value: object) -> str:
    """Read a name that all clouds take for an endpoint."""
    name = word(value)
    plain = name.replace("-", "")
    if not (3 <= len(name) <= 32 and plain.isascii() and plain.isalnum()):
        raise ValueError("3 to 32 lower-case letters, digits and hyphens were expected")
    if name != name.lower() or not name[0].isalpha() or name[-1] == "-" or "--" in name:
        raise ValueError("lower case, a letter first, and no hyphen last or twice were expected")
    return name


CORE = {
    "target": Key(word, "local", "where to release to; `--target`"),
    "endpoint": Key(endpoint, "", "the endpoint's name; by default the bundle's"),
    "bundle": Key(path, None, "directory of the bundle, relative to the file; `--bundle`"),
    "model": Key(
        reference,
        None,
        "a registered version instead of a bundle: NAME (the newest), NAME:VERSION or NAME@ALIAS; "
        "`--model`",
    ),
    "request": Key(path, None, "a JSON file with a request that the model answers"),
    "strategy": Key(strategy, "canary", "canary, linear, blue-green, shadow or ab"),
    "steps": Key(steps, (10, 50, 100), "canary: percent of traffic for the new one, step by step"),
    "bake": Key(
        seconds, (), "seconds each step is watched, one number or a list; 0, and 60 for shadow"
    ),
    "increment": Key(share, 20, "linear: percent more traffic for the new one at each step"),
    "keep_old": Key(
        number, 10.0, "blue-green: minutes the old one stays ready, at 0 %, for an instant way back"
    ),
    "shadow": Key(share, 50, "shadow: percent of the requests of which the new one gets a copy"),
    "split": Key(share, 50, "ab: percent of traffic for the new one"),
    "keep_previous": Key(
        yes, None, "keep the deployment before at 0 % for a rollback; true but for blue-green"
    ),
    "allow_pickle": Key(
        yes, True, "false: refuse a bundle whose serving means unpickling, here and in the server"
    ),
    "timeout": Key(number, 1800.0, "seconds for a command to finish; `--timeout`"),
    "idle_hours": Key(
        number, 24.0, "status: hours without a live request after which it warns; 0 for never"
    ),
    "state": Key(path, STATE, "folder of the local router and of the emulated clouds"),
    "terraform": Key(
        path, None, "the outputs of Terraform: a module's folder, or a file of its `output -json`"
    ),
    "scaling.minimum": Key(
        count, None, "least instances; 1 by default, 0 where the target can end the last one"
    ),
    "scaling.maximum": Key(count, None, "most instances; 0 leaves the table out"),
    "scaling.metric": Key(metric, "requests", "what they follow: requests, concurrency or cpu"),
    "scaling.target": Key(positive, None, "how much of the metric each instance is to have"),
    "gates.requests": Key(count, 20, "requests the judge sends at each step; 0 sends none"),
    "gates.error_rate": Key(ratio, 0.0, "most of the requests that may fail, as a ratio"),
    "gates.latency_p95": Key(number, 2000.0, "most milliseconds of the 95th percentile"),
    "gates.agreement": Key(ratio, 1.0, "least of the answers that must be as at packaging"),
    "gates.minimum_requests": Key(
        count, 0, "live requests a step waits for, before it is judged by them; 0 waits for none"
    ),
    "gates.patience": Key(
        number, 600.0, "most seconds a step waits for them, beyond its bake time"
    ),
    "gates.low_confidence": Key(
        ratio,
        1.0,
        "most of the predictions the model may be unsure of: nearer to a guess than to 1",
    ),
    "gates.prediction_shift": Key(
        ratio, 1.0, "farthest the predictions' distribution may be from the baseline's, 0 to 1"
    ),
    "gates.shadow_agreement": Key(
        ratio, 0.9, "shadow: least of the answers that must be as those of the one that serves"
    ),
    "gates.tolerance": Key(number, 1e-6, "difference, relative or absolute, that is no difference"),
    "compare.effect": Key(
        ratio, 0.05, "ab: smallest difference of an error rate or an accuracy that matters"
    ),
    "compare.confidence": Key(ratio, 0.95, "ab: chance of seeing no difference where none is"),
    "compare.power": Key(ratio, 0.8, "ab: chance of seeing a difference that matters"),
}


def default(name: str) -> Any:
    """Return the default of a key of `CORE`."""
    return CORE[name].default
