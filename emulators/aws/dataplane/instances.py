"""Containers of an endpoint: started from model data, checked by their ping, ended."""

from __future__ import annotations

import functools
import shutil
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from tridock.emulators.aws.dataplane import artifacts
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import Config, Members
from tridock.emulators.aws.dataplane.live import Generation, Instance, Key
from tridock.emulators.fleet import Container, Server, UnhealthyError

#: Longest wait for the first ping, in real seconds; the service waits for minutes.
LONGEST_STARTUP = 120.0

#: ``FailureReason`` may not be longer (API reference, DescribeEndpoint).
REASON_LENGTH = 1024


class LaunchError(Exception):
    """A container did not come up; the message is the endpoint's ``FailureReason``."""


def launch(cloud: Cloud, key: Key, config: Config) -> Generation:
    """Start every variant of `config` and return when all answer their ping.

    Raises
    ------
    LaunchError
        If one does not; none of them is left running.
    """
    begun: dict[str, Instance] = {}
    try:
        for variant in (*config.variants, *config.shadows):
            begun[variant["VariantName"]] = _begin(cloud, key, variant, config)
        for variant in (*config.variants, *config.shadows):
            _wait(cloud, begun[variant["VariantName"]], variant)
    except (LaunchError, OSError) as error:
        for instance in begun.values():
            _end(cloud, instance, grace=1)
        if isinstance(error, OSError):  # a full disk
            raise LaunchError(f"The model data could not be unpacked: {error}") from error
        raise
    shadows = {variant["VariantName"] for variant in config.shadows}
    return Generation(
        config,
        {name: instance for name, instance in begun.items() if name not in shadows},
        {name: instance for name, instance in begun.items() if name in shadows},
    )


def retire(cloud: Cloud, generation: Generation, *, grace: float = 30.0) -> None:
    """End a generation after the requests it accepted.

    Parameters
    ----------
    grace : float
        Real seconds for them; then SIGTERM is followed by SIGKILL.
    """

    def end(instance: Instance) -> None:
        instance.wait_idle(grace)
        _end(cloud, instance, grace=grace)

    ending = [
        threading.Thread(target=end, args=(instance,), daemon=True)
        for instance in generation.all_instances()
    ]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()


def revive(instance: Instance) -> None:
    """Start an instance's container again if it ended by itself, as the service does."""
    with instance.life:
        if not instance.is_retired and instance.server.exit_code() is not None:
            instance.server.stop(grace=0)
            instance.server = instance.restart()
            instance.pool = _pool(instance.server)


def abandon(cloud: Cloud) -> None:
    """Take every endpoint out of service at once; its containers are not restarted."""
    for instance in cloud.live.instances():
        with instance.life:
            instance.is_retired = True
    cloud.live.clear()


def _end(cloud: Cloud, instance: Instance, *, grace: float) -> None:
    with instance.life:
        instance.is_retired = True
    cloud.fleet.stop(instance.server, grace=grace)
    cloud.logs.finish(instance.server.log)
    shutil.rmtree(instance.server.log.parent / "model", ignore_errors=True)
    instance.pool.close()


def _begin(cloud: Cloud, key: Key, variant: Members, config: Config) -> Instance:
    container = config.models[variant["ModelName"]]
    folder = cloud.fleet.folder()
    model = folder / "model"
    model.mkdir()
    _bring(key, container, model)
    made = Container(container.get("Image", ""), model, _environment(cloud, key, container))
    name, number = variant["VariantName"], f"i-{uuid.uuid4().hex[:17]}"
    server = cloud.fleet.start(made, folder)
    cloud.logs.follow(key, f"{name}/{number}", server.log)
    again = functools.partial(cloud.fleet.start, made, folder)
    return Instance(name, number, server, _pool(server), again)


def _bring(key: Key, container: Members, model: Path) -> None:
    """Fetch model data; errors have the service's words (seen in its users' reports)."""
    try:
        artifacts.fetch(key.account, container, model)
    except artifacts.MissingDataError as error:
        raise LaunchError(
            f'Failed to download model data for container "container_1" from URL: "{error}". '
            "Please ensure that there is an object located at the URL and that the role passed "
            "to CreateModel has permissions to download the object."
        ) from error
    except artifacts.BrokenArchiveError as error:
        uri, _ = artifacts.source(container) or ("", False)
        raise LaunchError(
            f'Failed to extract model data archive for container "container_1" from URL "{uri}". '
            "Please ensure that the object located at the URL is a valid tar.gz archive."
        ) from error


def _wait(cloud: Cloud, instance: Instance, variant: Members) -> None:
    limit = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or LONGEST_STARTUP
    try:
        cloud.fleet.wait(instance.server, "/ping", timeout=min(float(limit), LONGEST_STARTUP))
    except UnhealthyError as error:
        said = (
            f"The primary container for production variant {instance.variant} did not pass the "
            f"ping health check. Please check CloudWatch logs for this endpoint. {error}"
        )
        raise LaunchError(said[:REASON_LENGTH]) from error


def _environment(cloud: Cloud, key: Key, container: Members) -> Mapping[str, str]:
    """Return the variables a hosted container sees, the model's own last."""
    own = {str(name): str(value) for name, value in (container.get("Environment") or {}).items()}
    return {
        "AWS_REGION": key.region,
        "AWS_DEFAULT_REGION": key.region,
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.key.id,
        "AWS_SECRET_ACCESS_KEY": cloud.key.secret,
        "HOSTNAME": "model.aws.local",
        "SAGEMAKER_SAFE_PORT_RANGE": "21000-21999",
        **own,
    }


def _pool(server: Server) -> urllib3.HTTPConnectionPool:
    at = urlsplit(server.url)
    return urllib3.HTTPConnectionPool(
        at.hostname or "127.0.0.1", at.port, maxsize=64, block=False, retries=False
    )
