"""The local router in the foreground: what `tridock.deploy.local.daemon` starts; not for people."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import secrets
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from tridock.deploy import private_files
from tridock.deploy.local import daemon
from tridock.deploy.local.connection import Connection
from tridock.deploy.local.fleet import Fleet
from tridock.deploy.local.router import create_router
from tridock.inference import plaintext
from tridock.inference.process.model_server import free_port

#: Seconds until a router without endpoints ends.
PATIENCE = 30.0


def main(folder: Path) -> None:
    """Route until the last endpoint is deleted, or a signal comes."""
    plaintext.log_to_stderr(logging.INFO, "%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.umask(0o077)  # logs of model servers, too, are for their owner
    _allow_many_connections()
    with daemon.locked(folder), _listen(folder / "port") as listener:
        asyncio.run(_serve(folder, listener))


async def _serve(folder: Path, listener: socket.socket) -> None:
    fleet, secret = Fleet(folder), secrets.token_urlsafe(32)

    def leave() -> None:
        if not fleet.endpoints:
            fleet.closing = True
            daemon.withdraw(folder)
            server.should_exit = True

    config = uvicorn.Config(
        create_router(fleet, secret, emptied=leave),
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
    )
    server = uvicorn.Server(config)
    asyncio.get_running_loop().call_later(PATIENCE, leave)
    daemon.announce(folder, f"http://127.0.0.1:{listener.getsockname()[1]}", secret)
    await server.serve(sockets=[listener])


def _listen(remembered: Path) -> socket.socket:
    """Listen where the last router of this folder did, so that addresses stay; else elsewhere."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # asyncio does so for sockets that name their protocol alone; else each answer, written in two
    # parts, waits 40 ms for the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, ValueError, OverflowError):
        listener.bind(("127.0.0.1", int(remembered.read_text())))
        listener.listen(2048)
        return listener
    listener.bind(("127.0.0.1", free_port()))
    listener.listen(2048)
    private_files.put(remembered, str(listener.getsockname()[1]).encode())
    return listener


def _allow_many_connections() -> None:
    """Raise the limit of open files: a request needs two, from its client and to its server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * Connection.bounds.connections
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
