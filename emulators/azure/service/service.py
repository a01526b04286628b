"""The emulated Azure as a running service: its ports, its proxy, its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from contextlib import AbstractContextManager, nullcontext

import uvicorn

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.entra import CLIENT, TENANT
from tridock.emulators.azure.http.front import HOSTS, INSTANCES_SUFFIX, REGION
from tridock.emulators.azure.service.application import Application
from tridock.emulators.azure.service.memory import Memory
from tridock.emulators.azure.service.site import Site
from tridock.emulators.certificates import Authority
from tridock.emulators.place import Place, Ports, Ready
from tridock.emulators.proxy import Proxy, Route

#: Names that clients read in their environment.
SUBSCRIPTION = "33333333-3333-3333-3333-333333333333"
GROUP = "tridock"
WORKSPACE = "tridock"

#: Ports taken at the first start if they are free: for requests without TLS, which the proxy leads
#: here, for clients led by ``ARM_CLOUD_METADATA_URL``, and of the proxy.
PREFERRED = (8450, 8443, 8451)

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")

#: Variables that win over ours, or that name another account, cloud, identity or proxy: removed
#: unless they are exported (azure-identity, "Environment variables"; Azure CLI, "Configuration";
#: azurerm, "Argument reference").
FOREIGN = ("AZURE_*", "AZUREML_*", "ARM_*", "MSI_*", "IDENTITY_*", "IMDS_*", "*_PROXY", "*_proxy")

#: Seconds that requests under way get when the emulator ends.
GRACE = 5

#: How often it is looked whether model servers live, in real seconds.
WATCH = 1.0


def serve(place: Place, ready: Ready) -> None:
    """Be the emulated Azure until SIGTERM or SIGINT."""
    asyncio.run(_serve(place, ready))


def environment(
    tls: int, proxy: int, authority: Authority, credentials: Credentials
) -> dict[str, str]:
    """Return the variables that lead unmodified clients here, and nowhere else.

    Parameters
    ----------
    tls : int
        Port for clients led by ``ARM_CLOUD_METADATA_URL``.
    proxy : int
        Port of the CONNECT proxy.
    """
    local = f"https://localhost:{tls}"
    client = authority.folder.parent / "client"  # for the CLI, in the place of the user's logins
    client.mkdir(exist_ok=True)
    nowhere = "localhost,127.0.0.1"
    variables = dict.fromkeys(PROXIES, f"http://127.0.0.1:{proxy}")
    variables |= {"NO_PROXY": nowhere, "no_proxy": nowhere}
    variables |= {name: str(authority.bundle) for name in TRUST}
    return variables | {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": credentials.client_secret,
        "AZURE_CONFIG_DIR": str(client),
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
    ports = Ports.at(place.folder / "ports.json", PREFERRED)
    plain, secure = ports.bind(0, _listen), ports.bind(1, _listen)
    port, tls = (one.getsockname()[1] for one in (plain, secure))
    authority = Authority.at(place.folder / "authority")
    routes = [Route(host, port, plain=host.endswith(INSTANCES_SUFFIX)) for host in HOSTS]
    proxy = Proxy(routes, authority)
    ports.bind(2, proxy.listen)
    ports.remember([port, tls, proxy.port])
    cloud = Cloud.at(place)
    site = Site(cloud)
    memory = Memory(cloud, site.catalogue)
    variables = environment(tls, proxy.port, authority, cloud.entra.credentials)
    cloud.surroundings.update(variables)
    memory.start()
    servers = [_server(site, memory), _server(site, memory, authority)]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, (plain, secure), strict=True)
    ]
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    ready(dict.fromkeys(FOREIGN) | variables)
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


def _server(site: Site, memory: Memory, authority: Authority | None = None) -> uvicorn.Server:
    config = uvicorn.Config(
        Application(site, memory),
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


def _listen(port: int) -> socket.socket:
    """Listen on a port of the loopback, 0 for a free one."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    # Else an answer's second part waits 40 ms for the acknowledgement of its first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
