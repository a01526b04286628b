"""A command's connection: configuration in, an open target out, emulated without ``--live``."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tridock.deploy import strategies
from tridock.deploy.config import account, scaling
from tridock.deploy.config.load import Config
from tridock.deploy.models import approval, reference
from tridock.deploy.models import reference as download
from tridock.deploy.models.approval import Objection
from tridock.deploy.progress import Progress
from tridock.deploy.rollout.judge import Judge
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.strategies import Step
from tridock.deploy.target import names, plugins
from tridock.deploy.target.errors import ConfigError, UnsupportedError
from tridock.deploy.target.plugins import Cloud
from tridock.deploy.target.probes import Probe, check_request, probes, read_request
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release, deployment_name
from tridock.deploy.waiting import lock
from tridock.deploy.waiting.retry import Policy, retrying, under
from tridock.deploy.waiting.wait import Deadline

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


@dataclass(frozen=True)
class Session:
    """Configuration, target and progress of one command.

    Attributes
    ----------
    config : Config
        With the settings of the account that is used.
    target : Patient
        Tries again what may be tried again.
    live : bool
        Whether it is a real account.
    """

    config: Config
    cloud: Cloud
    target: Target
    live: bool
    say: Progress

    @property
    def endpoint(self) -> str:
        """The endpoint to work on.

        Raises
        ------
        ConfigError
            If none is named.
        """
        if not self.config.endpoint and self.config.model:
            return self.config.model.model
        return names.check("endpoint", self.config.endpoint or self.bundle().name)

    def bundle(self) -> Bundle:
        """Read the bundle, and verify every file of it.

        Raises
        ------
        ConfigError
            If none is named.
        BundleError
            If it is missing or altered.
        """
        from tridock.inference.bundle.bundle import (
            Bundle,  # brings NumPy, which most commands do without
        )

        if not self.config.bundle:
            raise ConfigError(
                "no endpoint, no bundle and no model named: use --file, --endpoint, --bundle or "
                "--model"
            )
        return Bundle.read(self.config.bundle)

    def fetched(self) -> Session:
        """Return the session with the bundle of the model that it names; itself if it names none.

        Raises
        ------
        NotFoundError
            If no such version is registered; the message says what is.
        """
        wanted = self.config.model
        if not wanted:
            return self
        with self.say.step(f"fetch {wanted}") as step:
            models = self.target.models
            version = reference.find(models, wanted)
            place = download.fetch(models, version, self.config.state / "fetched")
            step.detail = f"{version.model} {version.version}, {version.approval.value}"
        return replace(self, config=replace(self.config, bundle=place))

    def order(self, bundle: Bundle) -> ReleaseRequest:
        """Return what a release of `bundle` is to do.

        Raises
        ------
        ConfigError
            If the target has no such scaling, the bundle may not be served without pickles, or
            its model refuses the request that the configuration names.
        """
        settings = self.config.settings
        if not self.config.allow_pickle:
            _refuse_pickle(bundle)
        scaling.check(self.config.scaling, self.target)
        if self.config.request:
            check_request(bundle, self.config.request)
        wanted = Release(
            endpoint=self.config.endpoint or bundle.name,
            name=deployment_name(bundle.version, bundle.digest, self._own_settings()),
            artifact="",
            image=settings.get("image", ""),
            instance=settings.get("instance", ""),
            count=scaling.start(_count(settings.get("count", "1")), self.config.scaling),
            bundle=bundle.name,
            version=bundle.version,
            digest=bundle.digest,
            scaling=self.config.scaling,
            allow_pickle=self.config.allow_pickle,
        )
        steps = strategies.steps_of(self.config.strategy)
        if any(step.shadow for step in steps) and "shadow" in self.target.limits:
            reason = self.target.limits["shadow"]
            raise UnsupportedError(f"strategy shadow on target {self.config.target}: {reason}")
        return ReleaseRequest(wanted, steps, self.config.keep_previous, self.deadline())

    def _own_settings(self) -> Mapping[str, str]:
        """Return what a deployment is to run with that is not the default.

        In the emulated account, the substitute of a real role or image is a default, too.
        """
        config, limits = self.config, self.target.limits
        known = {
            name: (config.settings.get(name, setting.default), setting.default)
            for name, setting in self.cloud.settings.items()
            if setting.runs and (self.live or not setting.account or name in config.explicit)
        }
        known["allow_pickle"] = str(config.allow_pickle), "True"
        if "scaling again" in limits:
            known["count"] = config.settings.get("count", "1"), "1"
            known["scaling"] = str(config.scaling or ""), ""
        return {name: value for name, (value, default) in known.items() if value != default}

    def judge(self, bundle: Bundle) -> Judge | None:
        """Return the judge of a release of `bundle`, None if no requests are wanted."""
        gates = self.config.gates
        if not gates.requests and not gates.minimum_requests:
            return None
        own = probes(bundle, self.config.request) if gates.requests else ()
        baseline = bundle.manifest.baseline
        predictions = baseline.predictions if baseline else ()
        return Judge(self.target, own, gates, predictions[0] if len(predictions) == 1 else None)

    def rollout(self, bundle: Bundle) -> Rollout:
        """Return what a release of `bundle` works with: the target, a judge, and the progress."""
        return Rollout(self.target, self.judge(bundle), self.say)

    def objection(self, bundle: Bundle) -> Objection | None:
        """Return why a bundle may not be released; in an emulated account it always may be."""
        if not self.live:
            return None
        if "models" in self.target.limits:
            reason = self.target.limits["models"]
            self.say.note(f"no approval is needed: {reason}")
        return approval.objection(self.target, bundle)

    def promotion(self, name: str) -> ReleaseRequest:
        """Return what a promotion of a deployment is to do."""
        bake = self.config.strategy.bake
        step = Step(100, bake=bake[-1] if bake else 0.0)
        wanted = Release(self.endpoint, name, "", scaling=self.config.scaling)
        return ReleaseRequest(wanted, (step,), self.config.keep_previous, self.deadline())

    def judge_of(self, name: str) -> Judge | None:
        """Return the judge of an existing deployment.

        By its bundle's examples where that is named, else by the request that the configuration
        names, and by live requests.
        """
        config = self.config
        if config.bundle and (config.bundle / "manifest.json").exists():
            bundle = self.bundle()
            standing = self.target.describe(self.endpoint).deployments.get(name)
            if standing and standing.digest == bundle.digest:
                return self.judge(bundle)
        own = (Probe(read_request(config.request)),) if config.request else ()
        return Judge(self.target, own, config.gates)

    def deadline(self) -> Deadline:
        """Return the moment the command has to be done."""
        return Deadline.after(self.config.timeout)

    @contextmanager
    def alone(self, what: str) -> Iterator[Session]:
        """Change the endpoint as the only one, inside a block, by the session that it is given.

        Raises
        ------
        LockedError
            If another command changes it; inside the block, by any verb, if the lock is lost.
        """
        terms, tell = lock.Terms(caller=self.target.caller()), self.say.note
        with lock.held(self.target.notes, self.endpoint, what, terms=terms, tell=tell) as lease:
            yield replace(self, target=under(self.target, lease.check))


@contextmanager
def deleting(session: Session) -> Iterator[Session]:
    """Change the endpoint as the only one to delete it; without a lock where none can be written.

    A full disk must not keep anyone from making room on it, and to delete twice is to delete once.
    """
    with ExitStack() as stack:
        try:
            alone = stack.enter_context(session.alone("delete"))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            session.say.note(f"no lock: {error.strerror}; deleting without one")
            alone = session
        yield alone


def _refuse_pickle(bundle: Bundle) -> None:
    from tridock.inference.model.engine import (
        unpickles,  # brings NumPy, which most commands do without
    )

    if reason := unpickles(bundle.manifest):
        raise ConfigError(
            f"allow_pickle is false, and {bundle.path} cannot be served so: {reason}. Package the "
            "model so that it compiles, or with --store skops"
        )


def connect(config: Config, say: Progress, *, live: bool) -> Session:
    """Open the target of `config`.

    Without `live` that is the emulated one, and what the file says of a real account is left out;
    what flag or environment said for this run stays.

    Raises
    ------
    ConfigError
        If a live account misses a setting.
    CredentialsError
        If a live account does not know our credentials.
    """
    cloud = plugins.find(config.target)
    live = live and bool(cloud.provision)
    with say.step(f"open target {config.target}") as step:
        settings = account.completed(config, cloud) if live else _emulated(cloud, config)
        target = _opened(config, settings)
        step.detail = target.identity()
    config = replace(config, settings=settings)
    if live:
        _demand(cloud, config)
    return Session(config, cloud, target, live, say)


def _opened(config: Config, settings: Mapping[str, str]) -> Target:
    target = plugins.open_target(config.target, {**settings, "state": str(config.state)})
    return retrying(target, Policy(busy=config.timeout))


def _emulated(cloud: Cloud, config: Config) -> dict[str, str]:
    return dict(account.enter(config.target, cloud, _own(cloud, config), config.state))


def _own(cloud: Cloud, config: Config) -> dict[str, str]:
    """Return the settings without those that name something in a real account."""
    return {
        name: setting.default
        if setting.account and name not in config.explicit
        else config.settings[name]
        for name, setting in cloud.settings.items()
    }


def _demand(cloud: Cloud, config: Config) -> None:
    missing = [name for name in cloud.required if not config.settings.get(name)]
    if missing:
        name = missing[0]
        raise ConfigError(
            f"{config.target}.{name} is not set: {cloud.settings[name].about}. Set it in the table "
            f"[{config.target}] of release.toml, or as TRIDOCK_{config.target.upper()}_"
            f"{name.upper()}; {account.advice(config.target)}"
        )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ConfigError(f"count is {text!r}: a whole number from 1 on was expected")
    return int(text)
