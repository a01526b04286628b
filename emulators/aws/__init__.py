"""Amazon Web Services on this machine: moto, completed and repaired, with real model servers."""

from __future__ import annotations

import os
import signal
import threading

from emulators.place import Place, Ready

#: Stable across restarts, so that a client's variables stay true.
PREFERRED_PORT = 4587


def serve(place: Place, ready: Ready) -> None:
    """Answer until SIGTERM or SIGINT; `ready` gets the clients' variables first."""
    _hermetic()
    from emulators.aws.cloud import Cloud
    from emulators.aws.environment import environment
    from emulators.aws.front import Front
    from emulators.aws.instances import abandon
    from emulators.aws.parts import INSTALLERS
    from emulators.aws.server import listen

    server = listen(_remembered(place))
    cloud = Cloud.at(place, f"http://127.0.0.1:{server.port}")
    for install in INSTALLERS:
        install(cloud)
    server.app = Front(cloud)  # type: ignore[assignment]
    (place.folder / "port").write_text(str(server.port))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cloud.logs.start()
    for hook in cloud.on_start:
        hook()
    ready(environment(cloud.url, place.folder))
    ended.wait()
    server.shutdown()
    cloud.clock.stop()
    cloud.logs.stop()
    for hook in cloud.on_stop:
        hook()
    abandon(cloud)
    cloud.background.shutdown(wait=False, cancel_futures=True)
    cloud.fleet.stop_all()


def _hermetic() -> None:
    """Set what moto reads at import, and leave it no way to a real account."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def _remembered(place: Place) -> int:
    try:
        return int((place.folder / "port").read_text())
    except (FileNotFoundError, ValueError):
        return PREFERRED_PORT
