"""Container contract of Azure Machine Learning."""

from __future__ import annotations

from tridock.inference.check.finding import Rule, State, Verdict
from tridock.inference.check.judgement import awake_at, healthy, kept_header, refuses_at
from tridock.inference.check.subject import Subject

CONTAINER = "Use a custom container to deploy a model to an online endpoint (Azure ML)"
SERVER = "Azure Machine Learning inference HTTP server (Azure ML)"
SCHEMA = "CLI (v2) managed online deployment YAML schema (Azure ML)"
TROUBLE = "Troubleshoot online endpoint deployment and scoring (Azure ML)"

#: Default of the probes' ``timeout``.
PROBE_SECONDS = 2.0
#: Default of ``request_settings.request_timeout_ms``.
ANSWER_SECONDS = 5.0
CLIENT_ID = "x-ms-client-request-id"


def _score(subject: Subject) -> Verdict:
    came = subject.post("/score")
    return Verdict.of(came.status == 200, came.told())


def _in_time(subject: Subject) -> Verdict:
    came = subject.post("/score")
    return Verdict.of(came.seconds <= ANSWER_SECONDS, came.told())


def _swagger(subject: Subject) -> Verdict:
    came = subject.ask("GET", "/swagger.json")
    if came.status == 404:
        return Verdict(State.ABSENT, "404: the endpoint will have no swagger URI")
    document = came.json()
    version = (
        document.get("swagger") or document.get("openapi") if isinstance(document, dict) else None
    )
    return Verdict.of(came.status == 200 and bool(version), f"{came.told()}, version {version}")


def _client_id(subject: Subject) -> Verdict:
    return kept_header(subject, "/score", CLIENT_ID, "check-7")


RULES: tuple[Rule[Subject], ...] = (
    Rule("azure-live", "GET / is 200 within 2 s", SCHEMA, healthy("/", PROBE_SECONDS)),
    Rule("azure-score", "POST /score answers JSON", CONTAINER, _score),
    Rule("azure-time", "POST /score answers within 5 s, the default timeout", SCHEMA, _in_time),
    Rule("azure-swagger", "GET /swagger.json describes the API, if present", SERVER, _swagger),
    Rule("azure-client-id", "a request id does no harm and stays whole", TROUBLE, _client_id),
    Rule(
        "azure-bad-input",
        "a bad body is 4xx, not 5xx",
        TROUBLE,
        lambda subject: refuses_at(subject, "/score"),
    ),
    Rule(
        "azure-busy",
        "GET / is 200 within 2 s while predictions run",
        SCHEMA,
        lambda subject: awake_at(subject, "/", "/score", PROBE_SECONDS),
    ),
)
