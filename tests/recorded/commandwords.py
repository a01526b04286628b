"""The words of the recorded commands, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

SAMPLE = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n7.2,3.6,6.1,2.5\n"
#: The verbs of the command, by hand: one that is lost has to be seen.
INFERENCE = ("package", "serve", "batch", "check", "image")
DEPLOY = (
    *("doctor", "models", "plan", "release", "status", "invoke", "traffic"),
    *("compare", "promote", "stop", "rollback", "logs", "delete", "sweep"),
)
#: Settings of a server that are refused.
WRONG = {
    "PORT": "high",
    "TRIDOCK_QUEUE": "-1",
    "TRIDOCK_WORKERS": "0",
    "TRIDOCK_MAX_BODY_BYTES": "large",
    "TRIDOCK_PATIENCE_SECONDS": "soon",
    "TRIDOCK_HEAD_SECONDS": "0",
    "TRIDOCK_CORS_ORIGINS": "page.example",
    "TRIDOCK_ROOT_PATH": "iris",
    "AIP_PREDICT_ROUTE": "predict",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "101",
    "TRIDOCK_ENGINE": "steam",
    "TRIDOCK_ALLOW_PICKLE": "maybe",
}
EMULATORS = ("up", "down", "status", "logs", "env", "run", "operations", "serve")
MODELS = ("register", "list", "show", "approve", "alias")


@dataclass(frozen=True)
class Words:
    """A command.

    Attributes
    ----------
    words : tuple of str
        Those behind ``python -m``; ``{F}`` is the folder of the bundles.
    variables : Mapping of str to str
        Of its environment.
    stdin : str
        What it reads.
    is_out_kept : bool
        False where its standard output depends on how fast the machine is.
    """

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    is_out_kept: bool = True


#: Files beside the commands: each is named as one.
CONFIGURATIONS = {
    "good": 'endpoint = "iris"\nbundle = "../iris"\nrequest = "request.json"\nsteps = [50, 100]\n',
    "syntax": "endpoint = \n",
    "key": 'endpont = "iris"\n',
    "table": "[gate]\nrequests = 1\n",
    "gate": "[gates]\nrequsts = 1\n",
    "cloud": '[aws]\ninstanse = "ml.m5.large"\n',
    "type": "endpoint = true\n",
    "steps": "steps = [50, 20]\n",
    "half": "steps = [10, 50]\n",
    "ratio": "[gates]\nerror_rate = 2\n",
    "strategy": 'strategy = "sudden"\n',
    "name": 'endpoint = "Iris_1"\n',
    "target": 'target = "nowhere"\n',
    "both": 'bundle = "../iris"\nmodel = "iris"\n',
    "scaling": "[scaling]\nminimum = 3\nmaximum = 2\n",
    "metric": '[scaling]\nmaximum = 2\nmetric = "mood"\n',
    "bake": "bake = [1, 2, 3, 4]\n",
    "timeout": "timeout = -1\n",
    "request": 'bundle = "../iris"\nrequest = "none.json"\n',
    "shadow": 'bundle = "../iris"\nstrategy = "shadow"\n',
    "terraform": 'terraform = "nowhere.json"\n',
}


def tridock(line: str, stdin: str = "", **variables: str) -> Words:
    """Return the words of `tridock` with a line of arguments, parted at blanks."""
    return Words(("tridock", *line.split()), variables, stdin)


def _of(room: str, line: str) -> Words:
    return Words((f"tridock.{room}", *line.split()))


def _named(*lines: str) -> Iterator[tuple[str, Words]]:
    """Name each command of `tridock` by its words."""
    for line in lines:
        yield f"tridock {line}".strip(), tridock(line)


def _state(*lines: str) -> Iterator[tuple[str, Words]]:
    """Name each command by its words, which are about the local target's one state folder."""
    for line in lines:
        yield f"tridock {line}", tridock(f"{line} --state {{F}}/state")


def _helps() -> Iterator[tuple[str, Words]]:
    yield from _named("", "--help", "-h", "--version", "wrong", "init --help", "demo --help")
    yield from _named(*(f"{verb} --help" for verb in (*INFERENCE, *DEPLOY)))
    yield from _named("emulators", "emulators --help", "emulators wrong")
    yield from _named(*(f"emulators {verb} --help" for verb in EMULATORS))
    yield from _named(*(f"models {verb} --help" for verb in MODELS))
    for room in ("inference", "deploy", "emulators", "examples.iris.train", "examples.demo"):
        yield f"{room} --help", _of(room, "--help")
    for room in ("inference", "deploy", "emulators"):
        yield f"{room} alone", _of(room, "")
        yield f"{room} wrong", _of(room, "wrong --flag")


def _serving() -> Iterator[tuple[str, Words]]:
    begin = "serve --host 127.0.0.1 --port 28999 --bundle {F}"
    for bundle in ("nowhere", "damaged", "unknown", "empty"):
        yield f"serve {bundle}", tridock(f"{begin}/{bundle}")
    yield from _named("serve --port many", "serve --port 70000", "serve --wrong", "serve 1 x")
    for name, value in WRONG.items():
        line = "serve --bundle {F}/iris" if name == "PORT" else f"{begin}/iris"
        yield f"serve with {name}={value}", tridock(line, **{name: value})
    pickled = {"TRIDOCK_ALLOW_PICKLE": "false", "TRIDOCK_ENGINE": "joblib"}
    yield "serve without pickles", tridock(f"{begin}/iris", **pickled)


def _inference() -> Iterator[tuple[str, Words]]:
    yield from _named(
        "check http://127.0.0.1:1",
        "check tridock:none",
        "check ftp://nowhere",
        "check http://127.0.0.1:1 --cloud moon",
        "check http://127.0.0.1:1 --example none.json",
        "package",
        "package --name mine",
        "package --name Mine! --script score.py",
        "package --name mine --script none.py",
        "package --name mine --script bad.py",
        "package --name mine --script score.py --version a/b",
        "package --name mine --script score.py --metrics sample.csv",
        "package --name mine --script score.py --out own",
        "package --name mine --script score.py --out {F}/work",
        "package --name mine --model none.joblib --sample sample.csv",
        "package --name mine --model sample.csv --sample sample.csv",
        "package --name mine --model {F}/iris/model.joblib --sample sample.csv --out again",
        "package --name mine --model {F}/iris/model.joblib --sample score.py --out other",
        "batch",
        "batch sample.csv out.csv",
        "batch sample.csv out.csv --bundle {F}/nowhere",
        "batch none.csv out.csv --bundle {F}/iris",
        "batch sample.csv out.txt --bundle {F}/iris",
        "batch sample.csv out.csv --bundle {F}/damaged",
        "batch sample.csv out.csv --bundle {F}/iris",
        "batch sample.csv out.csv --bundle {F}/iris --chunk 0",
        "batch sample.csv out.csv --bundle {F}/iris --probabilities",
        "batch sample.csv all.jsonl --bundle {F}/iris --probabilities --json",
        "batch score.py all.csv --bundle {F}/iris",
        "batch sample.csv kept.csv --bundle {F}/iris --keep none",
        "batch sample.csv loan.csv --bundle {F}/loan",
        "image --variant wood",
        "init --name Mine! project",
        "init --name mine project",
        "init project --name mine",
        "init --name mine project --wrong",
    )


def _configured() -> Iterator[tuple[str, Words]]:
    for name in CONFIGURATIONS:
        if name != "good":
            yield f"plan with {name}.toml", tridock(f"plan --file {name}.toml --state {{F}}/state")
    yield from _state(
        "status --file none.toml",
        "status --target nowhere",
        "status --set gates",
        "status --set gates.request=5",
        "status --set gates.requests=many",
        "status --set endpoint=iris",
        "status --timeout soon",
        "status --endpoint A",
        "status --model a:b:c",
        "status --wrong",
        "plan --bundle {F}/nowhere",
        "plan --bundle {F}/damaged",
        "plan --bundle {F}/unknown",
        "plan --bundle {F}/empty",
        "plan --bundle {F}/iris --model iris",
        "plan --bundle {F}/iris --set allow_pickle=false",
        "plan --bundle {F}/iris --set scaling.maximum=2",
        "traffic a=b --endpoint iris",
        "models show none",
        "models approve none",
    )
    wrong = tridock("status --state {F}/state", TRIDOCK_GATES_AGREEMENT="2")
    yield "status with TRIDOCK_GATES_AGREEMENT=2", wrong
    yield "status in no folder", tridock("status --state {F}/iris/manifest.json")
    for cloud in ("aws", "gcp"):
        yield from _state(f"status --target {cloud} --live", f"release --target {cloud} --live")


#: About an endpoint that is not there.
ABSENT = (
    "doctor",
    "status",
    "status --json",
    "status --endpoint iris",
    "invoke --endpoint iris",
    "invoke --endpoint iris --data {}",
    "logs --endpoint iris",
    "traffic --endpoint iris",
    "traffic new=100 --endpoint iris",
    "compare --endpoint iris",
    "promote --endpoint iris",
    "stop --endpoint iris",
    "rollback --endpoint iris",
    "delete --endpoint iris",
    "delete --endpoint iris --json",
    "sweep",
    "sweep --json",
    "models list",
    "models list --json",
)
#: The life of an endpoint. The deployments' names are made from digests, which are reproducible.
LIFE = (
    "doctor --file good.toml",
    "doctor --file good.toml --json",
    "plan --file good.toml",
    "plan --file good.toml --json",
    "release --file good.toml --timeout 0.001",
    "release --file good.toml --reason first",
    "status --endpoint iris",
    "status --json",
    "status --history --endpoint iris",
    "plan --file good.toml --endpoint iris",
    "release --file good.toml --json",
    "release --file good.toml --bundle {F}/loan --set request=",
    "release --endpoint iris --bundle {F}/two --set gates.latency_p95=0.000001",
    "release --endpoint iris --bundle {F}/two --json",
    "plan --endpoint iris --bundle {F}/iris",
    "status --endpoint iris --json",
    "traffic --endpoint iris",
    "traffic a=50 b=50 --endpoint iris",
    "traffic a=50 --endpoint iris",
    "invoke --file good.toml",
    "invoke --endpoint iris --data {}",
    "invoke --endpoint iris --data nonsense",
    "invoke --file good.toml --deployment none",
    "logs --endpoint iris --lines 2",
    "logs --endpoint iris --lines 2 --json",
    "logs --endpoint iris --deployment none",
    "rollback --endpoint iris --to none",
    "rollback --endpoint iris --reason why",
    "rollback --endpoint iris --json",
    "compare --endpoint iris",
    "compare --endpoint iris --labels none.csv",
    "promote --endpoint iris",
    "stop --endpoint iris",
    "release --endpoint trial --bundle {F}/iris",
    "release --endpoint trial --bundle {F}/two --set strategy=ab",
    "release --endpoint trial --bundle {F}/two",
    "compare --endpoint trial",
    "compare --endpoint trial --json",
    "stop --endpoint trial",
    "delete --endpoint trial",
    "models register --bundle {F}/iris",
    "models register --bundle {F}/iris --json",
    "models list",
    "models show iris",
    "models show iris --json",
    "models show iris:7",
    "models approve iris --reason good",
    "models alias iris champion",
    "models alias iris A",
    "models list iris --json",
    "plan --model iris@champion",
    "plan --model iris@none",
    "sweep",
    "status --history --json --endpoint iris",
    "delete --endpoint iris",
    "status",
    "sweep --yes",
)

#: They show what was counted up to the moment, or what chance decided.
VARYING = (" logs ", " compare --endpoint trial")


def _life() -> Iterator[tuple[str, Words]]:
    yield from ((f"absent: {name}", words) for name, words in _state(*ABSENT))
    train = _of("examples.iris.train", "--out {F}/two --C 10 --version 2")
    yield "train version 2", train
    for number, (name, words) in enumerate(_state(*LIFE)):
        varies = any(verb in name for verb in VARYING) and "none" not in name
        yield f"life {number:02}: {name}", replace(words, is_out_kept=not varies)


def _emulators() -> Iterator[tuple[str, Words]]:
    lines = (
        "status",
        "status --json",
        "down",
        "logs",
        "down aws",
        "up moon",
        "env moon",
        "run aws",
    )
    for line in lines:
        yield f"emulators {line}", tridock(f"emulators {line} --state {{F}}/emulated")
    for line in ("status --speed fast", "status --runner wheel", "up aws --faults none.json"):
        yield f"emulators {line}", tridock(f"emulators {line} --state {{F}}/emulated")
    for cloud in ("aws", "gcp", "azure"):
        yield from _named(f"emulators operations {cloud}")


COMMANDS: tuple[tuple[str, Words], ...] = (
    *_helps(),
    *_serving(),
    *_inference(),
    *_configured(),
    *_life(),
    *_emulators(),
)
