"""Paths that clients and proxies make of ours, and web pages that call them."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.inference.asking import IRIS_ROW, Asked
from tests.inference.test_server import started
from tridock.inference.__main__ import main
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.settings import SettingError, Settings

ROOT = Settings.read({"TRIDOCK_ROOT_PATH": "/models/iris/"})
PAGE, OTHER = "https://app.example", "https://evil.example"
BODY = {"instances": [IRIS_ROW]}
TENSOR = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": IRIS_ROW}


@pytest.fixture(scope="module")
def iris(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle)


@pytest.fixture(scope="module")
def paged(iris_bundle: Bundle) -> Asked:
    return Asked(iris_bundle, Settings.read({"TRIDOCK_CORS_ORIGINS": f"{PAGE}, http://a.test:80"}))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/", BODY),
        ("/invocations/", BODY),
        ("/score/", BODY),
        ("/v1/models/iris:predict/", BODY),
        ("/v2/models/iris/infer/", {"inputs": [TENSOR]}),
    ],
)
def test_a_slash_at_the_end_of_a_route_that_predicts_does_no_harm(
    iris: Asked, path: str, body: Any
) -> None:
    with_slash, without = iris.post(path, body), iris.post(path[:-1], body)
    assert with_slash.status_code == 200
    assert with_slash.json() == without.json()
    assert b'/"' not in iris.log.getvalue().splitlines()[-2]


@pytest.mark.parametrize("path", ["/ping/", "/predict//", "/v1/models/", "/v2/models/iris/"])
def test_other_paths_stay_what_they_are(iris: Asked, path: str) -> None:
    assert iris.get(path).status_code == 404


@pytest.mark.parametrize("root", ["", "/models/iris"])
@pytest.mark.parametrize("path", ["/predict", "/predict/", "/v1/models/iris:predict"])
def test_a_prefix_may_come_or_be_taken_off(iris_bundle: Bundle, root: str, path: str) -> None:
    asked = Asked(iris_bundle, ROOT)
    assert asked.post(root + path, BODY).json() == {"predictions": ["setosa"]}
    assert asked.get(f"{root}/ping").status_code == 200
    assert asked.get(f"{root}/docs").status_code == 200


def test_a_prefix_is_told_in_the_description(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle, ROOT)
    assert asked.get("/openapi.json").json()["servers"] == [{"url": "/models/iris"}]
    assert asked.get("/models/iris/swagger.json").json()["basePath"] == "/models/iris"
    assert asked.get("/models/iris").status_code == 200
    assert asked.get("/models/irises/ping").status_code == 404


def test_the_first_protocol_of_kserve_is_spoken(iris: Asked) -> None:
    assert iris.get("/v1/models").json() == {"models": ["iris"]}
    assert iris.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
    assert iris.get("/v1/models/iris/versions/1").json()["ready"]
    assert iris.post("/v1/models/iris:predict", BODY).json() == {"predictions": ["setosa"]}
    assert iris.post("/v1/models/iris/versions/1:predict", BODY).status_code == 200
    for path in ("/v1/models/other", "/v1/models/iris/versions/2"):
        assert iris.get(path).json()["code"] == "unknown_model"
    assert iris.post("/v1/models/other:predict", BODY).status_code == 404
    assert iris.post("/v1/models/iris:explain", BODY).json()["code"] == "not_found"
    assert iris.get("/v1/models/iris:predict").status_code == 405


def test_the_root_says_what_kserves_client_of_the_first_protocol_looks_for(iris: Asked) -> None:
    answer = iris.get("/")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_a_model_that_is_not_ready_says_so_by_the_first_protocol(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle)
    asked.lifecycle.drain()
    assert asked.get("/v1/models/iris").status_code == 503


@pytest.mark.parametrize("path", ["/v2/models/{model}", "/v1/models/{model}"])
def test_a_template_is_no_path(iris: Asked, path: str) -> None:
    assert iris.get(path).json()["code"] == "unknown_model"


def test_a_web_page_is_let_in_only_where_it_is_named(paged: Asked) -> None:
    asks = {"access-control-request-method": "POST"}
    asks["access-control-request-headers"] = "content-type,x-request-id"
    before = paged.ask("OPTIONS", "/predict", headers={"origin": PAGE, **asks})
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == PAGE
    assert before.headers["access-control-allow-headers"] == "content-type,x-request-id"
    assert "POST" in before.headers["access-control-allow-methods"]
    answer = paged.post("/predict", BODY, origin=PAGE)
    assert answer.json() == {"predictions": ["setosa"]}
    assert answer.headers["access-control-allow-origin"] == PAGE
    wrong = paged.post("/predict", {}, origin="http://a.test:80")
    assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (
        400,
        "http://a.test:80",
    )
    for origin in (OTHER, "null", f"{PAGE}.evil.example", PAGE.upper()):
        stranger = paged.ask("OPTIONS", "/predict", headers={"origin": origin, **asks})
        assert stranger.status_code == 405
        for response in (stranger, paged.post("/predict", BODY, origin=origin)):
            assert "access-control-allow-origin" not in response.headers
            assert response.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


def test_by_default_no_web_page_is_let_in(iris: Asked) -> None:
    asks = {"origin": PAGE, "access-control-request-method": "POST"}
    assert iris.ask("OPTIONS", "/predict", headers=asks).status_code == 405
    response = iris.post("/predict", BODY, origin=PAGE)
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_a_star_lets_every_page_in(iris_bundle: Bundle) -> None:
    asked = Asked(iris_bundle, Settings(cors_origins=("*",)))
    assert asked.get("/ping", origin=OTHER).headers["access-control-allow-origin"] == OTHER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIDOCK_CORS_ORIGINS", "app.example"),
        ("TRIDOCK_CORS_ORIGINS", "https://app.example/page"),
        ("TRIDOCK_CORS_ORIGINS", "null"),
        ("TRIDOCK_ROOT_PATH", "models"),
        ("TRIDOCK_HEAD_SECONDS", "0"),
        ("TRIDOCK_BODY_SECONDS", "-1"),
        ("TRIDOCK_CONNECTIONS", "many"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is '{value}'"):
        Settings.read({name: value})


def test_an_option_that_cannot_be_used_ends_the_command_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--cors-origin", "app.example"]) == 2
    assert "'app.example' is no origin" in capsys.readouterr().err
    assert main(["serve", "--root-path", "models"]) == 2


def test_prefix_slash_and_pages_are_served_on_the_short_way_too(
    iris_bundle: Bundle, tmp_path: Path
) -> None:
    page = "https://app.example"
    settings = {"TRIDOCK_ROOT_PATH": "/iris", "TRIDOCK_CORS_ORIGINS": page}
    body = json.dumps({"features": IRIS_ROW})
    with started(iris_bundle, tmp_path, **settings) as server:
        for path in ("/predict", "/predict/", "/iris/predict", "/iris/score/"):
            for origin in (page, "https://evil.example", None):
                sent = {"content-type": "application/json"} | ({"origin": origin} if origin else {})
                with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
                    connection.request("POST", path, body, sent)
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()) == (200, b'{"prediction":"setosa"}')
                    allowed = answer.headers["access-control-allow-origin"]
                    assert allowed == (page if origin == page else None)
        routes = {
            json.loads(line)["route"] for line in server.tail(100).splitlines() if '"POST"' in line
        }
    assert routes == {"/predict", "/score"}
