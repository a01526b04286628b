"""After a restart: endpoints that stand in the kept state get their model servers again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.instances import LaunchError, launch, retire
from tridock.emulators.aws.dataplane.live import Share
from tridock.emulators.aws.sagemaker.records import Endpoint

#: Real seconds that the start waits for the model servers; slower ones come up behind it.
PATIENCE = 40.0

log = logging.getLogger(__name__)


def install(cloud: Cloud) -> None:
    """Bring endpoints back before the emulator says that it is ready."""
    cloud.on_start.append(lambda: bring_back(cloud))


def bring_back(cloud: Cloud) -> None:
    """Start the servers of every endpoint that served, and finish what was being deleted.

    An endpoint is ``SystemUpdating`` until its servers answer: the state for what the service does
    by itself, in which it cannot be changed (API reference, DescribeEndpoint).
    """
    threads = []
    for endpoints, endpoint in list(_endpoints()):
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


def _endpoints() -> Iterator[tuple[dict[str, Any], Endpoint]]:
    for regions in list(sagemaker_backends.values()):
        for backend in list(regions.values()):
            known: dict[str, Any] = backend.endpoints
            for endpoint in list(known.values()):
                yield known, endpoint
