"""Who is measured: ours, the limit, and the peers, each with the app its documentation teaches."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.performance.errors import MeasuringError
from tests.performance.models import Model

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Place:
    """Where one server is started.

    Attributes
    ----------
    model : Model
        What it serves.
    port : int
        Where it shall listen on the loopback.
    folder : Path
        Its own, to write in.
    bin : Path
        Programs of its environment.
    """

    model: Model
    port: int
    folder: Path
    bin: Path

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(self.bin / "python")


def _features(model: Model, row: Any) -> Any:
    return {"features": row}


def _prediction(answer: Any) -> str:
    return str(answer["prediction"])


@dataclass(frozen=True)
class Server:
    """How one server is started and spoken to.

    Attributes
    ----------
    name, title : str
        What the command line and the report call it.
    environment : str
        Its virtual environment is ``.venvs/bench-ENVIRONMENT``.
    command : callable
        Makes its command line of a `Place`.
    route : str
        Where it predicts.
    body, label : callable
        Make a request's JSON of a model and a row, and read the label out of an answer's.
    variables : callable
        Makes its environment variables.
    prepare : callable
        Writes what it needs into its place; its time does not count.
    packages : tuple of str
        Whose versions the report names.
    is_limit : bool
        Whether it answers a constant.
    """

    name: str
    title: str
    environment: str
    command: Callable[[Place], list[str]]
    packages: tuple[str, ...]
    route: str = "/predict"
    body: Callable[[Model, Any], Any] = _features
    label: Callable[[Any], str] = _prediction
    variables: Callable[[Place], Mapping[str, str]] = field(default=lambda at: {})
    prepare: Callable[[Place], None] = field(default=lambda at: None)
    is_limit: bool = False

    def bodies(self, model: Model) -> list[bytes]:
        """Return the requests' bodies, one for each row."""
        dense = {"separators": (",", ":")}
        return [json.dumps(self.body(model, row), **dense).encode() for row in model.rows]  # type: ignore[arg-type]

    def labels(self, model: Model) -> list[str]:
        """Return what it must answer to them."""
        return ["setosa"] * len(model.rows) if self.is_limit else model.labels


def _module(at: Place) -> str:
    return "loan" if at.model.is_named else "features"


def _peer(name: str) -> Callable[[Place], Mapping[str, str]]:
    """Return the variables of a peer: the model's file, and the folder its app stands in."""

    def variables(at: Place) -> Mapping[str, str]:
        return {
            "MODEL": str(at.model.joblib),
            "PYTHONPATH": str(PEERS / name),
            "PATH": f"{at.bin}:/usr/bin:/bin",
            "BENTOML_DO_NOT_TRACK": "True",
            "DO_NOT_TRACK": "1",
        }

    return variables


def _uvicorn(at: Place, app: str) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(at.port)]
    return [str(at.bin / "uvicorn"), app, *where, "--no-access-log", "--log-level", "warning"]


def _serve(at: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(at.port)]
    return [at.python, "-m", "tridock.inference", "serve", "--bundle", str(at.model.bundle), *where]


def _ours(engine: str) -> Callable[[Place], Mapping[str, str]]:
    return lambda at: {"PYTHONPATH": str(ROOT), "TRIDOCK_ENGINE": engine}


def _granian(at: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(at.port)]
    return [str(at.bin / "granian"), "--interface", "asgi", *where, "--no-ws", "app:app"]


def _gunicorn(at: Place) -> list[str]:
    return [
        str(at.bin / "gunicorn"),
        "--bind",
        f"127.0.0.1:{at.port}",
        "--log-level",
        "error",
        "app:app",
    ]


def _bentoml(at: Place) -> list[str]:
    service = ("loan" if at.model.is_named else "service") + ":Scoring"
    where = ["--host", "127.0.0.1", "--port", str(at.port)]
    return [
        str(at.bin / "bentoml"),
        "serve",
        service,
        *where,
        "--working-dir",
        str(PEERS / "bentoml"),
    ]


def _azmlinfsrv(at: Place) -> list[str]:
    script = ["--entry_script", str(PEERS / "azmlinfsrv" / "score.py")]
    return [str(at.bin / "azmlinfsrv"), *script, "--port", str(at.port)]


def _mlflow(at: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(at.port), "--env-manager", "local"]
    return [str(at.bin / "mlflow"), "models", "serve", "--model-uri", "model", *where]


def _save_for_mlflow(at: Place) -> None:
    done = subprocess.run(
        [at.python, str(PEERS / "mlflow" / "prepare.py"), "model"],
        cwd=at.folder,
        env={**_peer("mlflow")(at)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise MeasuringError(f"mlflow could not save the model: {done.stderr.strip()[-200:]}")


def _settings_of_mlserver(at: Place) -> None:
    settings = {"host": "127.0.0.1", "http_port": at.port, "grpc_port": at.port + 1}
    # Without worker processes: on one core they only add a hop.
    settings |= {"metrics_port": at.port + 2, "parallel_workers": 0}
    model = {"name": "model", "implementation": "mlserver_sklearn.SKLearnModel"}
    parameters = {"parameters": {"uri": str(at.model.joblib)}}
    (at.folder / "settings.json").write_text(json.dumps(settings))
    (at.folder / "model-settings.json").write_text(json.dumps(model | parameters))


def _tensors(model: Model, row: Any) -> Any:
    """Make an Open Inference request: one tensor of numbers, or a column for each field."""
    if not model.is_named:
        return {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
    kinds = {str: "BYTES", int: "INT64", float: "FP64"}
    columns = [
        {"name": name, "shape": [1], "datatype": kinds[type(value)], "data": [value]}
        for name, value in row.items()
    ]
    for column in columns:
        if column["datatype"] == "BYTES":
            column["parameters"] = {"content_type": "str"}
    return {"parameters": {"content_type": "pd"}, "inputs": columns}


def _records(model: Model, row: Any) -> Any:
    return {"dataframe_records": [row]} if model.is_named else {"inputs": [row]}


def _instances(model: Model, row: Any) -> Any:
    return {"instances": [row]}


def _first(answer: Any) -> str:
    return str(answer["predictions"][0])


def _output(answer: Any) -> str:
    return str(answer["outputs"][0]["data"][0])


LIMIT = Server(
    "bare",
    "bare ASGI on uvicorn (the limit)",
    "bare",
    lambda at: [*_uvicorn(at, "app:app"), "--loop", "uvloop", "--http", "httptools"],
    ("uvicorn", "uvloop", "httptools"),
    variables=_peer("bare"),
    is_limit=True,
)
OURS = (
    Server(
        "tridock", "Tridock, ONNX", "tridock", _serve, ("onnxruntime",), variables=_ours("onnx")
    ),
    Server(
        "tridock-joblib",
        "Tridock, joblib",
        "tridock-joblib",
        _serve,
        ("scikit-learn",),
        variables=_ours("joblib"),
    ),
)
OTHERS = (
    Server(
        "granian",
        "bare ASGI on granian",
        "bare",
        _granian,
        ("granian",),
        variables=_peer("bare"),
        is_limit=True,
    ),
    Server(
        "fastapi",
        "FastAPI as tutorials write it",
        "fastapi",
        lambda at: _uvicorn(at, f"{_module(at)}:app"),
        ("fastapi", "uvicorn"),
        body=lambda model, row: row if model.is_named else {"features": row},
        variables=_peer("fastapi"),
    ),
    Server(
        "flask",
        "Flask on gunicorn",
        "flask",
        _gunicorn,
        ("flask", "gunicorn"),
        variables=_peer("flask"),
    ),
    Server(
        "mlserver",
        "MLServer",
        "mlserver",
        lambda at: [str(at.bin / "mlserver"), "start", str(at.folder)],
        ("mlserver",),
        route="/v2/models/model/infer",
        body=_tensors,
        label=_output,
        variables=_peer("mlserver"),
        prepare=_settings_of_mlserver,
    ),
    Server(
        "litserve",
        "LitServe",
        "litserve",
        lambda at: [at.python, str(PEERS / "litserve" / "app.py"), str(at.port)],
        ("litserve",),
        variables=_peer("litserve"),
    ),
    Server("bentoml", "BentoML", "bentoml", _bentoml, ("bentoml",), variables=_peer("bentoml")),
    Server(
        "azmlinfsrv",
        "azureml-inference-server-http",
        "azmlinfsrv",
        _azmlinfsrv,
        ("azureml-inference-server-http",),
        route="/score",
        variables=_peer("azmlinfsrv"),
    ),
    Server(
        "mlflow",
        "MLflow models serve",
        "mlflow",
        _mlflow,
        ("mlflow",),
        route="/invocations",
        body=_records,
        label=_first,
        variables=_peer("mlflow"),
        prepare=_save_for_mlflow,
    ),
    Server(
        "kserve",
        "KServe's python server",
        "kserve",
        lambda at: [at.python, str(PEERS / "kserve" / "app.py"), str(at.port)],
        ("kserve",),
        route="/v1/models/model:predict",
        body=_instances,
        label=_first,
        variables=_peer("kserve"),
    ),
)
SERVERS = {server.name: server for server in (*OURS, *OTHERS)}
