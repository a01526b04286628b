"""Google Cloud on this machine: Vertex AI, Cloud Run, Cloud Storage, with real model servers."""

from __future__ import annotations

import logging
import signal
import threading
from functools import partial

from tridock.emulators.place import Place, Ready

#: Stable across restarts, so that a client's variables stay true: proxy, REST, gRPC.
PREFERRED_PORTS = (4588, 4589, 4590)


def serve(place: Place, ready: Ready) -> None:
    """Answer until SIGTERM or SIGINT; `ready` gets the clients' variables first."""
    from tridock.emulators.certificates import Authority
    from tridock.emulators.gcp.auth.authentication import HOSTS
    from tridock.emulators.gcp.core.cloud import Cloud
    from tridock.emulators.gcp.front.environment import environment
    from tridock.emulators.gcp.front.front import Front
    from tridock.emulators.gcp.front.grpc_front import Calls
    from tridock.emulators.gcp.front.handlers import interface
    from tridock.emulators.gcp.front.restart import flush, restart
    from tridock.emulators.gcp.front.server import Server
    from tridock.emulators.gcp.run.scaling import Scaler
    from tridock.emulators.gcp.vertex.tenant import STORAGE
    from tridock.emulators.place import Ports
    from tridock.emulators.proxy import Proxy, Route

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
