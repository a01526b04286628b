"""Google Cloud on this machine: Vertex AI, Cloud Run, Cloud Storage, with real model servers."""

from __future__ import annotations

import json
import logging
import signal
import threading
from contextlib import suppress

from emulators.place import Place, Ready

#: Stable across restarts, so that a client's variables stay true: proxy, REST, gRPC.
PREFERRED_PORTS = (4588, 4589, 4590)


def serve(place: Place, ready: Ready) -> None:
    """Answer until SIGTERM or SIGINT; `ready` gets the clients' variables first."""
    from emulators.certificates import Authority
    from emulators.gcp.cloud import Cloud
    from emulators.gcp.environment import HOSTS, environment
    from emulators.gcp.front import Front
    from emulators.gcp.grpc_front import serve as serve_grpc
    from emulators.gcp.handlers import HANDLERS
    from emulators.gcp.interface import Interface
    from emulators.gcp.scaling import Scaler
    from emulators.gcp.server import Server
    from emulators.gcp.tenant import STORAGE
    from emulators.proxy import Proxy, Route

    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = _remembered(place)
    cloud = Cloud.at(place)
    interface = Interface(cloud, HANDLERS)
    server = Server(ports[1], Front.of(interface))
    calls, port = serve_grpc(interface, ports[2])
    authority = Authority.at(place.folder / "tls")
    proxy = Proxy([Route(host, server.server_port, port) for host in HOSTS], authority)
    proxy.start(ports[0])
    (place.folder / "ports").write_text(json.dumps([proxy.port, server.server_port, port]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=Scaler(cloud).run, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    cloud.surroundings[STORAGE] = url
    ready(environment(f"http://127.0.0.1:{proxy.port}", url, authority))
    ended.wait()
    proxy.stop()
    calls.stop(None)
    server.shutdown()
    cloud.clock.stop()
    cloud.fleet.stop_all()


def _remembered(place: Place) -> tuple[int, int, int]:
    with suppress(FileNotFoundError, ValueError):
        proxy, rest, grpc = json.loads((place.folder / "ports").read_text())
        return proxy, rest, grpc
    return PREFERRED_PORTS
