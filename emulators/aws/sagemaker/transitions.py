"""The states that endpoints pass through, each transition in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.models import sagemaker_backends

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import Config
from tridock.emulators.aws.dataplane.instances import LaunchError, launch, retire
from tridock.emulators.aws.dataplane.live import Generation, Route, Share
from tridock.emulators.aws.sagemaker.policies import Plan, Step
from tridock.emulators.aws.sagemaker.records import Endpoint, weights

#: Seconds of the service that each state lasts at least: code that does not wait fails here too.
CREATING = 60.0
WEIGHING = 30.0
ROLLING_BACK = 30.0
DELETING = 15.0

#: Real seconds between two looks at the alarms of an update.
ALARM_INTERVAL = 0.1

log = logging.getLogger(__name__)

#: Real seconds that the start waits for the model servers; slower ones come up behind it.
PATIENCE = 40.0


class RollbackError(Exception):
    """An update must go back; the message is the endpoint's ``FailureReason``."""


class _EndedError(Exception):
    """The endpoint was deleted or the emulator ends: leave everything as it is."""


def create(cloud: Cloud, endpoint: Endpoint, config: Config) -> None:
    """Bring the first generation up: Creating, then InService or Failed."""
    _run(cloud, endpoint, lambda: _create(cloud, endpoint, config))


def update(cloud: Cloud, endpoint: Endpoint, config: Config, plan: Plan) -> None:
    """Replace the generation by `plan`: Updating, then InService with the new or the old one."""
    _run(cloud, endpoint, lambda: _update(cloud, endpoint, config, plan))


def weigh(cloud: Cloud, endpoint: Endpoint) -> None:
    """Make the desired weights current after a while: Updating, then InService."""
    _run(cloud, endpoint, lambda: _weigh(cloud, endpoint))


def delete(cloud: Cloud, endpoint: Endpoint) -> None:
    """Take no more requests, end the servers, and forget the endpoint after a while."""
    _run(cloud, endpoint, lambda: _delete(cloud, endpoint))


def retire_all(cloud: Cloud, endpoint: Endpoint) -> None:
    """End the servers of an endpoint that is forgotten already."""
    route = cloud.live.pop(endpoint.key) or ()
    threading.Thread(target=lambda: _retire(cloud, route), daemon=True).start()


def _run(cloud: Cloud, endpoint: Endpoint, transition: Callable[[], None]) -> None:
    def work() -> None:
        try:
            transition()
        except _EndedError:
            return
        except Exception as error:
            log.exception("endpoint %s", endpoint.endpoint_name)
            with cloud.lock:
                endpoint.change("Failed", f"The emulator failed: {error!r}")

    threading.Thread(target=work, name=endpoint.endpoint_name, daemon=True).start()


def _create(cloud: Cloud, endpoint: Endpoint, config: Config) -> None:
    earliest = time.monotonic() + cloud.clock.real(CREATING)
    try:
        generation = launch(cloud, endpoint.key, config)
    except LaunchError as error:
        with cloud.lock:
            endpoint.change("Failed", str(error))
        return
    _sleep_until(cloud, earliest)
    with cloud.lock:
        if _is_current(endpoint):
            whole = Share(100, generation, weights(endpoint.production_variants))
            cloud.live.put(endpoint.key, (whole,))
            endpoint.settle()
            return
    retire(cloud, generation)


def _update(cloud: Cloud, endpoint: Endpoint, config: Config, plan: Plan) -> None:
    old = cloud.live.get(endpoint.key) or ()
    try:
        fresh = launch(cloud, endpoint.key, config)
    except LaunchError as error:
        _roll_back(cloud, endpoint, old, str(error))
        return
    try:
        _move(cloud, endpoint, fresh, plan)
    except RollbackError as error:
        _roll_back(cloud, endpoint, old, str(error))
        retire(cloud, fresh)
    except _EndedError:
        retire(cloud, fresh)
        raise
    else:
        _retire(cloud, old)
        _settle(cloud, endpoint, config)


def _move(cloud: Cloud, endpoint: Endpoint, fresh: Generation, plan: Plan) -> None:
    """Shift all traffic to `fresh`, step by step."""
    old = cloud.live.get(endpoint.key) or ()
    deadline = time.monotonic() + cloud.clock.real(plan.timeout)
    for step in plan.steps:
        _shift(cloud, endpoint, _mix(old, fresh, endpoint, step))
        _bake(cloud, endpoint, plan, wait=step.wait, deadline=deadline)
    _bake(cloud, endpoint, plan, wait=plan.termination_wait, deadline=deadline)


def _settle(cloud: Cloud, endpoint: Endpoint, config: Config) -> None:
    with cloud.lock:
        endpoint.adopt(config, (endpoint.pending or {})["ProductionVariants"])
        endpoint.settle()


def _mix(old: Route, fresh: Generation, endpoint: Endpoint, step: Step) -> Route:
    """Return the route of one step: the old fleet keeps what the new one does not have."""
    pending = (endpoint.pending or {})["ProductionVariants"]
    share = Share(step.percent, fresh, weights(pending))
    if step.percent >= 100 or not old:
        return (share,)
    return (share, Share(100 - step.percent, old[0].generation, old[0].weights))


def _shift(cloud: Cloud, endpoint: Endpoint, route: Route) -> None:
    with cloud.lock:
        if not _is_current(endpoint):
            raise _EndedError
        cloud.live.put(endpoint.key, route)
        endpoint.mark_pending("Baking")


def _bake(cloud: Cloud, endpoint: Endpoint, plan: Plan, *, wait: float, deadline: float) -> None:
    """Wait `wait` seconds of the service while the alarms stay quiet.

    Raises
    ------
    RollbackError
        If an alarm is on, or the update takes too long.
    """
    until = time.monotonic() + cloud.clock.real(wait)
    while True:
        _check_alarms(endpoint, plan)
        left = until - time.monotonic()
        if left <= 0:
            return
        if time.monotonic() > deadline:
            raise RollbackError(
                "The deployment did not finish within MaximumExecutionTimeoutInSeconds "
                f"({plan.timeout:g})."
            )
        _sleep_until(cloud, time.monotonic() + min(left, ALARM_INTERVAL))


def _check_alarms(endpoint: Endpoint, plan: Plan) -> None:
    alarms = cloudwatch_backends[endpoint.key.account][endpoint.key.region].alarms
    on = [name for name in plan.alarms if name in alarms and alarms[name].state_value == "ALARM"]
    if on:
        raise RollbackError(
            f"One or more configured alarm(s) have triggered: [{', '.join(on)}]. "
            "The deployment was rolled back."
        )


def _roll_back(cloud: Cloud, endpoint: Endpoint, old: Route, reason: str) -> None:
    with cloud.lock:
        if not _is_current(endpoint):
            raise _EndedError
        cloud.live.put(endpoint.key, old)
        endpoint.change("RollingBack", reason)
    _sleep_until(cloud, time.monotonic() + cloud.clock.real(ROLLING_BACK))
    with cloud.lock:
        endpoint.settle(reason)


def _weigh(cloud: Cloud, endpoint: Endpoint) -> None:
    _sleep_until(cloud, time.monotonic() + cloud.clock.real(WEIGHING))
    with cloud.lock:
        route = cloud.live.get(endpoint.key)
        if not _is_current(endpoint) or not route:
            raise _EndedError
        current = endpoint.end_weighing()
        cloud.live.put(endpoint.key, (Share(100, route[0].generation, current),))
        endpoint.settle()


def _delete(cloud: Cloud, endpoint: Endpoint) -> None:
    earliest = time.monotonic() + cloud.clock.real(DELETING)
    _retire(cloud, cloud.live.pop(endpoint.key) or ())
    _sleep_until(cloud, earliest)
    with cloud.lock:
        if _is_current(endpoint):
            del _endpoints(endpoint)[endpoint.endpoint_name]


def _retire(cloud: Cloud, route: Route) -> None:
    for share in route:
        retire(cloud, share.generation)


def _sleep_until(cloud: Cloud, moment: float) -> None:
    """Sleep in real time until `moment` of the monotonic clock; raise if the emulator ends."""
    left = max(0.0, moment - time.monotonic())
    if not cloud.clock.sleep(left * cloud.clock.speed):
        raise _EndedError


def _is_current(endpoint: Endpoint) -> bool:
    """Return whether the record is still current: a reset or a delete may have removed it."""
    return _endpoints(endpoint).get(endpoint.endpoint_name) is endpoint


def _endpoints(endpoint: Endpoint) -> dict[str, Endpoint]:
    backend = sagemaker_backends[endpoint.key.account][endpoint.key.region]
    endpoints: Any = backend.endpoints
    return endpoints  # type: ignore[no-any-return]


def install(cloud: Cloud) -> None:
    """Bring endpoints back before the emulator says that it is ready."""
    cloud.on_start.append(lambda: bring_back(cloud))


def bring_back(cloud: Cloud) -> None:
    """Start the servers of every endpoint that served, and finish what was being deleted.

    An endpoint is ``SystemUpdating`` until its servers answer: the state for what the service does
    by itself, in which it cannot be changed (API reference, DescribeEndpoint).
    """
    threads = []
    for endpoints, endpoint in list(_kept_endpoints()):
        if endpoint.endpoint_status == "Deleting":
            del endpoints[endpoint.endpoint_name]
        elif endpoint.endpoint_status != "Failed":
            endpoint.change("SystemUpdating")
            threads.append(threading.Thread(target=_serve, args=(cloud, endpoint), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE / len(threads))


def _serve(cloud: Cloud, endpoint: Endpoint) -> None:
    """Serve what the record describes: the configuration before an update that did not end."""
    try:
        generation = launch(cloud, endpoint.key, endpoint.config)
    except LaunchError as error:
        log.warning("endpoint %s does not come back: %s", endpoint.endpoint_name, error)
        with cloud.lock:
            endpoint.change("Failed", str(error))
        return
    with cloud.lock:
        backend = sagemaker_backends[endpoint.key.account][endpoint.key.region]
        known: dict[str, Any] = backend.endpoints
        if known.get(endpoint.endpoint_name) is endpoint:
            cloud.live.put(endpoint.key, (Share(100, generation, endpoint.end_weighing()),))
            endpoint.settle()
            log.info("endpoint %s serves again", endpoint.endpoint_name)
            return
    retire(cloud, generation)


def _kept_endpoints() -> Iterator[tuple[dict[str, Any], Endpoint]]:
    for regions in list(sagemaker_backends.values()):
        for backend in list(regions.values()):
            known: dict[str, Any] = backend.endpoints
            for endpoint in list(known.values()):
                yield known, endpoint
