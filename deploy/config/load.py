"""``release.toml``, the environment and the flags, read into one frozen record."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tridock.deploy import strategies
from tridock.deploy.config import keys, scaling
from tridock.deploy.models.reference import Reference
from tridock.deploy.strategies import Strategy
from tridock.deploy.target import plugins
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.records import Scaling

#: Keys that have a flag of their own; `--set KEY=VALUE` gives the others.
FLAGS = frozenset({"target", "endpoint", "bundle", "model", "timeout", "state"})

#: Read where a command names no other file.
FILE = Path("release.toml")


@dataclass(frozen=True)
class Gates:
    """The limits of the judge; see `tridock.deploy.config.keys` for the meaning of each."""

    requests: int
    error_rate: float
    latency_p95: float
    agreement: float
    tolerance: float
    minimum_requests: int = keys.default("gates.minimum_requests")
    patience: float = keys.default("gates.patience")
    low_confidence: float = keys.default("gates.low_confidence")
    prediction_shift: float = keys.default("gates.prediction_shift")
    shadow_agreement: float = keys.default("gates.shadow_agreement")


@dataclass(frozen=True)
class Compare:
    """Terms of a comparison; see `tridock.deploy.config.keys` for the meaning of each."""

    effect: float = keys.default("compare.effect")
    confidence: float = keys.default("compare.confidence")
    power: float = keys.default("compare.power")


@dataclass(frozen=True)
class Config:
    """The configuration of a command; see `tridock.deploy.config.keys` for the meaning of each.

    Attributes
    ----------
    settings : Mapping[str, str]
        Of the chosen target: its table.
    explicit : frozenset of str
        Settings that came by flag or environment, for this run alone.
    given : frozenset of str
        Settings that were given, in the file too.
    """

    target: str
    endpoint: str
    bundle: Path | None
    model: Reference | None
    request: Path | None
    strategy: Strategy
    keep_previous: bool
    timeout: float
    state: Path
    terraform: Path | None
    gates: Gates
    compare: Compare
    allow_pickle: bool = keys.default("allow_pickle")
    idle_hours: float = keys.default("idle_hours")
    scaling: Scaling | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    explicit: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Given:
    """A value and who gave it, for messages."""

    value: Any
    source: str
    folder: Path | None = None
    """Base of a relative path: the file's folder, else the current folder."""

    @property
    def nearness(self) -> int:
        """Precedence of its source: flag over environment over file."""
        return 2 if self.source.startswith("--") else 0 if self.folder else 1


def in_folder() -> Path | None:
    """Return ``release.toml`` of the current folder, or None if there is none."""
    return FILE if FILE.is_file() else None


def load(
    file: Path | None,
    flags: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration: flag over environment over file over default.

    Parameters
    ----------
    file : Path or None
        ``release.toml``; None for none.
    flags : Mapping[str, str]
        Keys such as ``"endpoint"`` or ``"gates.requests"`` with the words given for them.
    environment : Mapping[str, str]
        ``TRIDOCK_`` and the key in capitals, dots as underscores: ``TRIDOCK_GATES_REQUESTS``.

    Raises
    ------
    ConfigError
        If a key is unknown or a value wrong; the message names where it was given.
    """
    known = {**keys.CORE, **_cloud_keys()}
    given = _from_file(file, known) if file else {}
    given |= _from_environment(environment, known)
    given |= _from_flags(flags, known)
    return _config(known, given)


def _config(known: Mapping[str, keys.Key], given: Mapping[str, _Given]) -> Config:
    read = {name: _read(key, given.get(name)) for name, key in known.items()}
    cloud = f"{read['target']}."
    plugins.find(read["target"])
    core = {name: value for name, value in read.items() if "." not in name}
    core |= _one_source(core, given)
    _refuse_file(core["state"])
    strategy = _strategy(core)
    kept = core.pop("keep_previous")
    settings = {name: value for name, value in read.items() if name.startswith(cloud)}
    return Config(
        **core,
        strategy=strategy,
        keep_previous=strategy.keeps_previous if kept is None else kept,
        gates=Gates(**_table(read, "gates")),
        compare=Compare(**_table(read, "compare")),
        scaling=scaling.read(_table(read, "scaling")),
        settings={name.removeprefix(cloud): value for name, value in settings.items()},
        explicit=frozenset(
            name.removeprefix(cloud)
            for name in settings
            if name in given and given[name].folder is None
        ),
        given=frozenset(name.removeprefix(cloud) for name in settings if name in given),
    )


def _strategy(core: dict[str, Any]) -> Strategy:
    """Take the strategy's keys out of those that were read."""
    names = [each.name for each in fields(Strategy) if each.name != "name"]
    strategy = Strategy(core.pop("strategy"), **{name: core.pop(name) for name in names})
    try:
        strategies.steps_of(strategy)
    except ValueError as error:
        raise ConfigError(f"bake of strategy {strategy.name}: {error}") from error
    return strategy


def _one_source(core: Mapping[str, Any], given: Mapping[str, _Given]) -> dict[str, Any]:
    """Return bundle and model, of which one is chosen: by the nearer of those who named both."""
    named = [given[name] for name in ("bundle", "model") if name in given]
    if len(named) < 2:
        return {}
    bundle, model = named
    if bundle.nearness == model.nearness:
        raise ConfigError(
            f"{bundle.source} and {model.source} both say what to release: leave one out"
        )
    return {"bundle" if model.nearness > bundle.nearness else "model": None}


def _refuse_file(state: Path) -> None:
    """Refuse a state folder that is a file or below one, before anything is done there."""
    there = next(each for each in (state, *state.parents) if each.exists())
    if not there.is_dir():
        raise ConfigError(
            f"{state} cannot be the state folder: {there} is a file. Name another with --state"
        )


def _table(read: Mapping[str, Any], table: str) -> dict[str, Any]:
    start = f"{table}."
    return {name[len(start) :]: value for name, value in read.items() if name.startswith(start)}


def _read(key: keys.Key, given: _Given | None) -> Any:
    if given is None:
        return key.default
    try:
        value = key.read(_toml(given.value) if given.folder is None else given.value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{given.source} is {given.value!r}: {error}") from error
    return given.folder / value if given.folder and isinstance(value, Path) else value


def _toml(value: Any) -> Any:
    """Read a list or a quoted text of a flag or variable as TOML; leave all else as it is."""
    if isinstance(value, str) and value.startswith(("[", '"', "'")):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {value}")["value"]
    return value


def _cloud_keys() -> dict[str, keys.Key]:
    return {
        f"{name}.{setting}": keys.Key(keys.word, one.default, one.about)
        for name in plugins.TARGETS
        for setting, one in plugins.find(name).settings.items()
    }


def _from_file(file: Path, known: Mapping[str, keys.Key]) -> dict[str, _Given]:
    try:
        table = tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigError(f"there is no file {file}: name one with --file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    flat = dict(_flattened(table))
    for key in flat:
        _refuse_unknown(key, known, str(file))
    folder = file.resolve().parent
    return {key: _Given(value, f"{file}: {key}", folder) for key, value in flat.items()}


def _flattened(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            flat += [(f"{key}.{inner}", each) for inner, each in value.items()] or [(key, value)]
        else:
            flat.append((key, value))
    return flat


def _from_environment(
    environment: Mapping[str, str], known: Mapping[str, keys.Key]
) -> dict[str, _Given]:
    names = {key: "TRIDOCK_" + key.upper().replace(".", "_") for key in known}
    return {
        key: _Given(environment[name], name) for key, name in names.items() if name in environment
    }


def _from_flags(flags: Mapping[str, str], known: Mapping[str, keys.Key]) -> dict[str, _Given]:
    for key in flags:
        _refuse_unknown(key, known, "--set")
    return {
        key: _Given(value, f"--{key}" if key in FLAGS else f"--set {key}")
        for key, value in flags.items()
    }


def _refuse_unknown(key: str, known: Mapping[str, keys.Key], where: str) -> None:
    if key in known:
        return
    tables = {name.partition(".")[0] for name in known if "." in name}
    near = difflib.get_close_matches(key, [*known, *tables], n=1)
    advice = f"did you mean {near[0]!r}?" if near else "docs/release-toml.md lists the keys"
    raise ConfigError(f"{where}: unknown key {key!r}: {advice}")
