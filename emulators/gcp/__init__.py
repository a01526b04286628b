"""Google Cloud on this machine: Vertex AI, Cloud Run, Cloud Storage, with real model servers."""

from __future__ import annotations

import logging
import signal
import threading
from functools import partial

from emulators.place import Place, Ready

#: Stable across restarts, so that a client's variables stay true: proxy, REST, gRPC.
PREFERRED_PORTS = (4588, 4589, 4590)


def serve(place: Place, ready: Ready) -> None:
    """Answer until SIGTERM or SIGINT; `ready` gets the clients' variables first."""
    from emulators.certificates import Authority
    from emulators.gcp.auth import HOSTS
    from emulators.gcp.cloud import Cloud
    from emulators.gcp.environment import environment
    from emulators.gcp.front import Front
    from emulators.gcp.grpc_front import Calls
    from emulators.gcp.handlers import interface
    from emulators.gcp.restart import flush, restart
    from emulators.gcp.scaling import Scaler
    from emulators.gcp.server import Server
    from emulators.gcp.tenant import STORAGE
    from emulators.ports import Ports
    from emulators.proxy import Proxy, Route

    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = Ports.at(place.folder / "ports", PREFERRED_PORTS)
    cloud = Cloud.at(place)
    cloud.tokens.make()
    methods = interface(cloud)
    server = ports.bind(1, partial(Server, application=Front.of(methods)))
    calls = ports.bind(2, partial(Calls, interface=methods))
    authority = Authority.at(place.folder / "tls")
    proxy = Proxy([Route(host, server.server_port, calls.port) for host in HOSTS], authority)
    ports.bind(0, proxy.listen)
    ports.remember([proxy.port, server.server_port, calls.port])
    url = f"http://127.0.0.1:{server.server_port}"
    cloud.surroundings[STORAGE] = url
    restart(cloud)
    for work in (server.serve_forever, Scaler(cloud).run, partial(flush, cloud)):
        threading.Thread(target=work, daemon=True).start()
    ready(environment(f"http://127.0.0.1:{proxy.port}", url, authority, cloud.tokens))
    ended.wait()
    proxy.stop()
    calls.stop()
    server.shutdown()
    cloud.clock.stop()
    cloud.flush()
    cloud.state.close()
    cloud.fleet.stop_all()
    cloud.database.close()
