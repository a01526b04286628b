"""The emulated Azure as a running service: its ports, its proxy, its end."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import uvicorn

from emulators.azure.application import Application
from emulators.azure.cloud import Cloud
from emulators.azure.credentials import Credentials
from emulators.azure.entra import CLIENT, TENANT
from emulators.azure.front import HOSTS, INSTANCES_SUFFIX, REGION
from emulators.azure.memory import Memory
from emulators.azure.site import Site
from emulators.certificates import Authority
from emulators.place import Place, Ready
from emulators.proxy import Proxy, Route

#: Names of what clients that ask their environment are told.
SUBSCRIPTION = "33333333-3333-3333-3333-333333333333"
GROUP = "tridock"
WORKSPACE = "tridock"

#: Ports taken if they are free.
PREFERRED = {"http": 8450, "tls": 8443, "proxy": 8451}

#: Seconds that requests under way get when the emulator ends.
GRACE = 5

#: How often it is looked whether model servers live, in real seconds.
WATCH = 1.0


@dataclass(frozen=True)
class Ports:
    """Where the emulator listens on the loopback.

    Attributes
    ----------
    http : int
        What the proxy leads to; TLS ends there.
    tls : int
        For clients led by ``ARM_CLOUD_METADATA_URL``.
    proxy : int
        The CONNECT proxy.
    """

    http: int
    tls: int
    proxy: int


def serve(place: Place, ready: Ready) -> None:
    """Be the emulated Azure until SIGTERM or SIGINT."""
    asyncio.run(_serve(place, ready))


def environment(ports: Ports, authority: Authority, credentials: Credentials) -> dict[str, str]:
    """Return the variables that lead unmodified clients here, and nowhere else."""
    proxy = f"http://127.0.0.1:{ports.proxy}"
    local = f"https://localhost:{ports.tls}"
    nowhere = "localhost,127.0.0.1"
    variables = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy)
    variables |= {"NO_PROXY": nowhere, "no_proxy": nowhere}
    trusted = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
    variables |= {name: str(authority.bundle) for name in trusted[:3]}
    return variables | {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": credentials.client_secret,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZURE_WORKSPACE": WORKSPACE,
        "AZURE_REGION": REGION,
        "IDENTITY_ENDPOINT": f"{local}/msi/token",
        "IDENTITY_HEADER": credentials.identity_header,
        "TRIDOCK_AZURE_LOCAL": local,
    }


async def _serve(place: Place, ready: Ready) -> None:
    # One line for each scored request is the model server's to write.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    cloud = Cloud.at(place)
    site = Site(cloud)
    memory = Memory(cloud, site.catalogue)
    authority = Authority.at(place.folder / "authority")
    plain, secure = _listen(place, "http"), _listen(place, "tls")
    port = plain.getsockname()[1]
    routes = [Route(host, port, plain=host.endswith(INSTANCES_SUFFIX)) for host in HOSTS]
    proxy = Proxy(routes, authority)
    proxy.start(_remembered(place).get("proxy", PREFERRED["proxy"]))
    ports = Ports(port, secure.getsockname()[1], proxy.port)
    _remember(place, {"http": ports.http, "tls": ports.tls, "proxy": ports.proxy})
    variables = environment(ports, authority, cloud.entra.credentials)
    cloud.surroundings.update(variables)
    memory.start()
    servers = [_server(site), _server(site, authority)]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, (plain, secure), strict=True)
    ]
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    ready(variables)
    ended = threading.Event()
    threading.Thread(target=_watch, args=(site, ended), daemon=True).start()
    threading.Thread(target=site.scaler.run, daemon=True).start()
    await stopping.wait()
    ended.set()
    cloud.clock.stop()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    await site.close()
    proxy.stop()
    memory.stop()
    cloud.fleet.stop_all()


def _watch(site: Site, ended: threading.Event) -> None:
    """Start model servers anew that end by themselves."""
    while not ended.wait(WATCH):
        site.catalogue.rollout.revive()


class _Server(uvicorn.Server):
    """A server that leaves signals to us: two share one process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return nullcontext()


def _server(site: Site, authority: Authority | None = None) -> uvicorn.Server:
    config = uvicorn.Config(
        Application(site),
        log_level="warning",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
    )
    config.load()
    if authority:
        config.ssl = authority.context("localhost")
    return _Server(config)


def _listen(place: Place, name: str) -> socket.socket:
    """Listen on the port used last time, else on the preferred one, else on a free one."""
    for port in (_remembered(place).get(name, PREFERRED[name]), 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Else an answer's second part waits 40 ms for the acknowledgement of its first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError("no free port on the loopback")


def _remembered(place: Place) -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads((place.folder / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def _remember(place: Place, ports: Mapping[str, int]) -> None:
    (place.folder / "ports.json").write_text(json.dumps(dict(ports)))
