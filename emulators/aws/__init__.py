"""Amazon Web Services on this machine: moto, completed and corrected, with real model servers."""

from __future__ import annotations

import os
import signal
import threading

from tridock.emulators.place import Place, Ready

#: Ports of a first start: of the emulator itself and of its CONNECT proxy.
PREFERRED_PORTS = (4587, 4586)


def serve(place: Place, ready: Ready) -> None:
    """Answer until SIGTERM or SIGINT; `ready` gets the clients' variables first."""
    _isolate()
    from tridock.emulators.aws.protocol import model_files

    model_files.install()
    from tridock.emulators.aws.dataplane.cloud import Cloud
    from tridock.emulators.aws.dataplane.instances import abandon
    from tridock.emulators.aws.front import Front
    from tridock.emulators.aws.protocol.environment import HOSTS, environment
    from tridock.emulators.aws.protocol.server import listen
    from tridock.emulators.aws.service import INSTALLERS
    from tridock.emulators.certificates import Authority
    from tridock.emulators.place import Ports
    from tridock.emulators.proxy import Proxy, Route

    ports = Ports.at(place.folder / "ports", PREFERRED_PORTS)
    server = ports.bind(0, listen)
    authority = Authority.at(place.folder / "tls")
    proxy = Proxy([Route(host, server.port, plain=True) for host in HOSTS], authority)
    ports.remember([server.port, ports.bind(1, proxy.listen)])
    cloud = Cloud.at(place, f"http://127.0.0.1:{server.port}")
    for install in INSTALLERS:
        install(cloud)
    server.app = Front(cloud)  # type: ignore[assignment]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cloud.logs.start()
    for hook in cloud.on_start:
        hook()
    ready(environment(cloud.url, f"http://127.0.0.1:{proxy.port}", authority, cloud.key))
    ended.wait()
    proxy.stop()
    server.shutdown()
    cloud.clock.stop()
    cloud.logs.stop()
    for hook in cloud.on_stop:
        hook()
    abandon(cloud)
    cloud.background.shutdown(wait=False, cancel_futures=True)
    cloud.fleet.stop_all()


def _isolate() -> None:
    """Set the variables that moto reads at import, and remove every way to a real account."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
