"""Settings of one model server, read once from the command line and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tridock.inference import cpu
from tridock.inference.cors import ORIGIN

#: Where each platform says on which port it will call, in the order of precedence. Sources:
#: SageMaker «Invoke containers with direct invocation»; Vertex AI «Custom container
#: requirements»; Cloud Run «Container runtime contract».
PORT_VARIABLES = ("SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT")
DEFAULT_PORT = 8080
#: The most SageMaker sends (InvokeEndpoint, Body: at most 6,291,456 bytes).
DEFAULT_BODY_BYTES = 6 * 1024 * 1024
#: Batch transform may ask for more, up to this (CreateTransformJob, MaxPayloadInMB).
MOST_MEGABYTES = 100


class SettingError(ValueError):
    """A variable or option has a value that cannot be used; the message names both."""


@dataclass(frozen=True)
class Settings:
    """Settings of a model server.

    Attributes
    ----------
    bundle : Path or None
        Bundle directory; None leaves the choice to `tridock.inference.score.init`.
    body_bytes : int
        Longest body that is read, as sent and again after unzipping.
    workers : int
        Predictions that run at the same time.
    processes : int
        Among how many processes they are divided; the server knows when it has seen the bundle.
    queue : int
        Requests that may wait for a worker.
    patience : float
        Seconds a request may wait before it is refused instead.
    drain : float
        Seconds after SIGTERM during which new connections are still taken, while any come.
    interval : float
        Seconds between two lines of the log on what the model answered.
    health_route, predict_route : str
        The routes that Vertex AI calls.
    accept : str
        The answer's content type for callers who state no preference; empty: that of the request.
    root_path : str
        What may come before each path, where a proxy leaves it there; empty: nothing.
    cors_origins : tuple of str
        Web pages whose scripts may call; ``"*"`` is all of them.
    head_seconds : float
        Longest time until the head of a request is there, from its first byte or from the
        beginning of the connection.
    body_seconds : float
        The same of its body; each kilobyte that comes gives another second.
    connections : int
        Most that are open in one process; 0: as many as its open files allow.
    """

    bundle: Path | None = None
    body_bytes: int = DEFAULT_BODY_BYTES
    workers: int = field(default_factory=cpu.whole)
    processes: int = 1
    queue: int = 256
    patience: float = 10.0
    drain: float = 3.0
    interval: float = 5.0
    health_route: str = "/health"
    predict_route: str = "/predict"
    accept: str = ""
    root_path: str = ""
    cors_origins: tuple[str, ...] = ()
    head_seconds: float = 20.0
    body_seconds: float = 30.0
    connections: int = 0

    @classmethod
    def read(cls, environment: Mapping[str, str], bundle: Path | None = None) -> Settings:
        """Read the variables that `docs/serving.md` lists.

        Raises
        ------
        SettingError
            If a value cannot be used.
        """
        return cls(
            bundle=bundle,
            body_bytes=_body_bytes(environment),
            workers=_workers(environment),
            queue=_whole(environment, "TRIDOCK_QUEUE", 256, most=1_000_000),
            patience=_seconds(environment, "TRIDOCK_PATIENCE_SECONDS", 10.0),
            drain=_seconds(environment, "TRIDOCK_DRAIN_SECONDS", 3.0),
            interval=_seconds(environment, "TRIDOCK_PREDICTIONS_SECONDS", 5.0),
            health_route=_route(environment, "AIP_HEALTH_ROUTE", "/health"),
            predict_route=_route(environment, "AIP_PREDICT_ROUTE", "/predict"),
            accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", ""),
            root_path=_route(environment, "TRIDOCK_ROOT_PATH", "/").rstrip("/"),
            cors_origins=_origins(environment, "TRIDOCK_CORS_ORIGINS"),
            head_seconds=_seconds(environment, "TRIDOCK_HEAD_SECONDS", 20.0, least=0.1),
            body_seconds=_seconds(environment, "TRIDOCK_BODY_SECONDS", 30.0, least=0.1),
            connections=_whole(environment, "TRIDOCK_CONNECTIONS", 0, most=1_000_000),
        )


def port(option: str | None, environment: Mapping[str, str]) -> int:
    """Return the port to listen on: the option, else the platform's variable, else 8080.

    Raises
    ------
    SettingError
        If it is not a port number; the message names where it came from.
    """
    named = {"--port": option} | {name: environment.get(name) for name in PORT_VARIABLES}
    for source, value in named.items():
        if value:
            return _port(source, value)
    return DEFAULT_PORT


def _port(source: str, value: str) -> int:
    number = int(value) if value.isdecimal() and len(value) < 6 else 0
    if not 0 < number < 65536:
        raise SettingError(f"{source} is {value!r}: give a port number from 1 to 65535")
    return number


def _workers(environment: Mapping[str, str]) -> int:
    sagemaker = _whole(
        environment, "SAGEMAKER_MODEL_SERVER_WORKERS", cpu.whole(), least=1, most=1024
    )
    return _whole(environment, "TRIDOCK_WORKERS", sagemaker, least=1, most=1024)


def _body_bytes(environment: Mapping[str, str]) -> int:
    sagemaker = _whole(
        environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", DEFAULT_BODY_BYTES >> 20, most=MOST_MEGABYTES
    )
    # 0 means «streamed, of any length» there; we hold bodies in memory, so it means the most.
    default = (sagemaker or MOST_MEGABYTES) << 20
    return _whole(environment, "TRIDOCK_MAX_BODY_BYTES", default, least=1, most=1 << 31)


def _whole(
    environment: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int
) -> int:
    value = environment.get(name)
    if not value:
        return default
    number = int(value) if value.isdecimal() and len(value) < 20 else -1
    if not least <= number <= most:
        raise SettingError(f"{name} is {value!r}: give a whole number from {least} to {most}")
    return number


def _seconds(
    environment: Mapping[str, str], name: str, default: float, *, least: float = 0
) -> float:
    value = environment.get(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number <= 3600:
        raise SettingError(f"{name} is {value!r}: give seconds from {least:g} to 3600")
    return number


def _route(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name) or default
    if not value.startswith("/") or not value.isascii() or set("{}?# ") & set(value):
        raise SettingError(f"{name} is {value!r}: give a path that begins with /")
    return value


def _origins(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    value = environment.get(name, "")
    origins = tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
        raise SettingError(
            f"{name} is {value!r}: {wrong[0]!r} is no origin: give such as https://app.example, "
            "several between commas, or *"
        )
    return origins
