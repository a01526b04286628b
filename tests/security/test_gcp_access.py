"""What the emulated Google Cloud refuses, in Google's words: strangers, web pages, old tokens."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.rpc import error_details_pb2, status_pb2

from tridock.emulators import daemon
from tridock.emulators.gcp.auth import jwt
from tridock.emulators.gcp.auth.tokens import ACCOUNT, TOKEN_URI, Tokens
from tridock.emulators.place import Place

PARENT = "projects/tridock-local/locations/us-central1"
MODELS = f"/v1/{PARENT}/models"
CLOUD = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
HOST = "us-central1-aiplatform.googleapis.com"
STORAGE = "/storage/v1/b/kit-private/o"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("gcp", tmp_path_factory.mktemp("access"), speed=600)
    daemon.up(place)
    yield place
    daemon.down(place)


@pytest.fixture(scope="module")
def variables(place: Place) -> Mapping[str, str]:
    return daemon.environment(place)


@pytest.fixture(scope="module")
def url(variables: Mapping[str, str]) -> str:
    return variables["TRIDOCK_GCP_URL"]


def ask(
    url: str, path: str, headers: Mapping[str, str], verb: str = "GET", body: str = ""
) -> tuple[int, dict[str, str], Any]:
    """Send exactly these headers, Host among them, and return status, headers and JSON."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.putrequest(verb, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": parts.netloc} | dict(headers)).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), json.loads(read) if read else None


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def account(variables: Mapping[str, str]) -> dict[str, str]:
    path = Path(variables["GOOGLE_APPLICATION_CREDENTIALS"])
    found: dict[str, str] = json.loads(path.read_text())
    return found


def assertion(variables: Mapping[str, str], **changed: Any) -> str:
    """Sign what google-auth would, with the service account's key."""
    key = load_pem_private_key(account(variables)["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return jwt.signed(claims(**changed), key, "1")


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": ACCOUNT, "aud": TOKEN_URI, "iat": now, "exp": now + 3600, "scope": CLOUD}
    return made | changed


def granted(url: str, assertion: str, **form: str) -> tuple[int, Any]:
    body = {"grant_type": GRANT, "assertion": assertion} | form
    answer = requests.post(f"{url}/token", data=body, timeout=20, proxies={"http": ""})
    return answer.status_code, answer.json()


def access(url: str, variables: Mapping[str, str], scope: str = CLOUD) -> str:
    status, record = granted(url, assertion(variables, scope=scope))
    assert status == 200, record
    return str(record["access_token"])


PAGES: list[dict[str, str]] = [
    {"Origin": "https://page.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "rebound.example"},
    {"Host": "evilgoogleapis.com"},
]


@pytest.mark.parametrize("page", PAGES, ids=str)
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", MODELS),
        ("POST", f"{MODELS}:upload"),
        ("OPTIONS", MODELS),
        ("POST", "/upload/storage/v1/b/kit-private/o?uploadType=media&name=x"),
        ("POST", "/token"),
        ("POST", "/_emulator/reset"),
    ],
)
def test_a_web_page_is_refused_whatever_it_brings(
    url: str, variables: Mapping[str, str], page: dict[str, str], verb: str, path: str
) -> None:
    headers = bearer(variables["TRIDOCK_GCP_TOKEN"]) | page
    status, answered, record = ask(url, path, headers, verb)
    assert (status, record["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert not [name for name in answered if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("foreign"), bearer("ya29.emulated"), {"Authorization": "Basic eDp5"}],
    ids=str,
)
@pytest.mark.parametrize("path", [MODELS, "/_emulator/faults", f"/v2/{PARENT}/services"])
def test_a_stranger_is_unauthenticated(url: str, headers: dict[str, str], path: str) -> None:
    status, answered, record = ask(url, path, headers)
    assert (status, record["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "Bearer" in {name.lower(): value for name, value in answered.items()}["www-authenticate"]


def test_the_reasons_are_googles(url: str, variables: Mapping[str, str], place: Place) -> None:
    tokens = Tokens(place.folder)
    tokens.make()
    old = tokens.access(ACCOUNT, (CLOUD,), seconds=-1)
    narrow = access(url, variables, "https://www.googleapis.com/auth/devstorage.read_only")
    for given, status, reason in (
        ({}, 401, "CREDENTIALS_MISSING"),
        (bearer("foreign"), 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (bearer(tokens.identity("https://x")), 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (bearer(old), 401, "ACCESS_TOKEN_EXPIRED"),
        (bearer(narrow), 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    ):
        answered, _, record = ask(url, MODELS, given)
        assert (answered, record["error"]["details"][0]["reason"]) == (status, reason)
    changed = old.replace(old[8:12], "AAAA")
    assert ask(url, MODELS, bearer(changed))[0] == 401
    good = access(url, variables)
    assert ask(url, MODELS, bearer(good))[0] == 200
    assert ask(url, MODELS, bearer(good) | {"Host": HOST})[0] == 200
    # The emulator's own secret is for its own address.
    secret = bearer(variables["TRIDOCK_GCP_TOKEN"])
    assert ask(url, MODELS, secret)[0] == 200
    assert ask(url, MODELS, secret | {"Host": HOST})[0] == 401


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"iss": "eve@example.iam.gserviceaccount.com"}, "invalid_grant", "account not found"),
        ({"aud": "https://evil.example/token"}, "invalid_grant", "Failed audience check"),
        ({"exp": int(time.time()) - 1000, "iat": 0}, "invalid_grant", "short-lived token"),
        ({"exp": int(time.time()) + 90_000}, "invalid_grant", "short-lived token"),
        ({"scope": ""}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_an_assertion_that_is_not_right_gets_no_token(
    url: str, variables: Mapping[str, str], changed: dict[str, Any], error: str, words: str
) -> None:
    status, record = granted(url, assertion(variables, **changed))
    assert (status, record["error"]) == (400, error)
    assert words in record["error_description"]


def test_an_assertion_of_another_key_gets_no_token(url: str, variables: Mapping[str, str]) -> None:
    forged = jwt.signed(claims(), rsa.generate_private_key(65537, 2048), "1")
    none = ".".join(jwt.encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims()))
    for given, error in ((forged, "invalid_grant"), (f"{none}.", "invalid_request")):
        status, record = granted(url, given)
        assert (status, record["error"]) == (400, error)
    status, record = granted(url, forged, grant_type="password")
    assert (status, record["error"]) == (400, "unsupported_grant_type")
    assert ask(url, MODELS, bearer(forged))[0] == 401


def test_a_self_signed_token_is_for_the_host_that_it_names(
    url: str, variables: Mapping[str, str]
) -> None:
    own = {"sub": ACCOUNT, "scope": ""}
    good = assertion(variables, aud="https://aiplatform.googleapis.com/", **own)
    assert ask(url, MODELS, bearer(good) | {"Host": HOST})[0] == 200
    other = assertion(variables, aud="https://evil.example/", **own)
    assert ask(url, MODELS, bearer(other) | {"Host": HOST})[0] == 401
    old = assertion(variables, aud=f"https://{HOST}/", iat=0, exp=3600, **own)
    assert ask(url, MODELS, bearer(old) | {"Host": HOST})[0] == 401


def test_token_info_tells_whose_a_token_is(url: str, variables: Mapping[str, str]) -> None:
    token = access(url, variables)
    status, _, record = ask(url, f"/tokeninfo?access_token={token}", {})
    assert (status, record["email"], record["scope"]) == (200, ACCOUNT, CLOUD)
    status, _, record = ask(url, "/tokeninfo?access_token=foreign", {})
    assert (status, record["error"]) == (400, "invalid_token")
    assert ask(url, "/oauth2/v3/userinfo", bearer(token))[2]["email"] == ACCOUNT
    assert ask(url, "/oauth2/v3/userinfo", bearer("foreign"))[0] == 401


def test_storage_refuses_in_its_own_words_and_opens_public_buckets_only(
    url: str, variables: Mapping[str, str]
) -> None:
    ours = bearer(access(url, variables))
    body = json.dumps({"name": "kit-private"})
    assert ask(url, "/storage/v1/b?project=x", ours, "POST", body)[0] == 200
    status, _, record = ask(url, STORAGE, {})
    assert (status, record["error"]["errors"][0]["reason"]) == (401, "required")
    status, _, record = ask(url, STORAGE, bearer("foreign"))
    assert (status, record["error"]["errors"][0]["reason"]) == (401, "authError")
    policy = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    path = "/storage/v1/b/kit-private/iam"
    assert ask(url, path, ours, "PUT", json.dumps(policy))[0] == 200
    assert ask(url, STORAGE, {})[0] == 200
    assert ask(url, f"{STORAGE}/x", {}, "DELETE")[0] == 401
    assert ask(url, STORAGE, {"Origin": "https://page.example"})[0] == 403


def test_a_container_reads_the_copy_of_its_own_model_only(url: str, place: Place) -> None:
    tokens = Tokens(place.folder)
    tokens.make()
    token = tokens.access("caip-tenant-1", ("bucket:caip-tenant-1",), 60)
    own = f"/container/{token}/storage/v1/b/caip-tenant-1/o"
    assert ask(url, own, {})[2]["error"]["message"] == "The specified bucket does not exist."
    for path, verb in (
        (f"/container/{token}/storage/v1/b/kit-private/o", "GET"),
        (f"/container/{token}/storage/v1/b", "GET"),
        (f"/container/{token}/storage/v1/b/caip-tenant-1/o/x", "DELETE"),
        ("/container/foreign/storage/v1/b/caip-tenant-1/o", "GET"),
        (f"/container/{token}{MODELS}", "GET"),
    ):
        assert ask(url, path, {}, verb)[0] == 401
    assert ask(url, MODELS, bearer(token))[0] == 403


def test_grpc_is_refused_like_rest(place: Place, variables: Mapping[str, str]) -> None:
    port = json.loads((place.folder / "ports").read_text())[2]
    token = access(variables["TRIDOCK_GCP_URL"], variables)
    for metadata, authority, code, reason in (
        ((), "127.0.0.1", "UNAUTHENTICATED", "CREDENTIALS_MISSING"),
        (
            (("authorization", "Bearer x"),),
            HOST,
            "UNAUTHENTICATED",
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        ),
        ((("authorization", f"Bearer {token}"),), "rebound.example", "PERMISSION_DENIED", ""),
        (
            (("authorization", f"Bearer {token}"), ("origin", "https://page.example")),
            HOST,
            "PERMISSION_DENIED",
            "",
        ),
    ):
        assert _refused(port, metadata, authority) == (code, reason)
    assert _refused(port, (("authorization", f"Bearer {token}"),), HOST) == ("OK", "")


def _refused(port: int, metadata: Any, authority: str) -> tuple[str, str]:
    """Return the code of a ListModels call, and the reason in its details."""
    options = (("grpc.default_authority", authority),)
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary("/google.cloud.aiplatform.v1.ModelService/ListModels")
        parent = PARENT.encode()
        try:
            call(b"\x0a" + bytes([len(parent)]) + parent, metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            return error.code().name, _reason(details)
        return "OK", ""


def _reason(details: bytes | None) -> str:
    if details is None:
        return ""
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return str(info.reason)


def test_a_service_of_cloud_run_wants_an_identity_token_for_itself(
    url: str, variables: Mapping[str, str]
) -> None:
    ours = bearer(access(url, variables))
    service = {"template": {"containers": [{"image": "us-docker.pkg.dev/kit/kit/kit:1"}]}}
    path = f"/v2/{PARENT}/services"
    assert ask(url, f"{path}?serviceId=private", ours, "POST", json.dumps(service))[0] == 200
    uri = ask(url, f"{path}/private", ours)[2]["uri"]
    host = {"Host": urlsplit(uri).netloc}

    def identity(audience: str) -> str:
        record = granted(url, assertion(variables, target_audience=audience))[1]
        return str(record["id_token"])

    assert ask(url, "/", host)[0] == 403
    assert ask(url, "/", host | ours)[0] == 401
    assert ask(url, "/", host | bearer("a.b.c"))[0] == 401
    assert ask(url, "/", host | bearer(identity("https://other.run.app")))[0] == 401
    assert ask(url, "/", host | bearer(identity(uri)))[0] not in (401, 403)


def test_tokens_outlive_a_restart_and_any_credentials_must_be_asked_for(tmp_path: Path) -> None:
    place = Place("gcp", tmp_path / "state", speed=600)
    try:
        variables = daemon.up(place).environment
        token = access(variables["TRIDOCK_GCP_URL"], variables)
        daemon.down(place)
        url = daemon.up(place).environment["TRIDOCK_GCP_URL"]
        assert ask(url, MODELS, bearer(token))[0] == 200
        daemon.down(place)
        open_place = Place("gcp", tmp_path / "state", speed=600, any_credentials=True)
        url = daemon.up(open_place).environment["TRIDOCK_GCP_URL"]
        assert ask(url, MODELS, bearer("foreign"))[0] == 200
        assert ask(url, MODELS, {})[0] == 401
        assert ask(url, MODELS, bearer("foreign") | {"Origin": "https://page.example"})[0] == 403
        assert ask(url, "/_emulator/servers", bearer("foreign"))[0] == 401
        assert "--any-credentials" in place.log.read_text()
    finally:
        daemon.down(place)


def test_the_keys_are_readable_by_their_owner_only(place: Place) -> None:
    for name in ("issuer.pem", "tokens", "secret", "client/service-account.json", "state.sqlite"):
        assert (place.folder / name).stat().st_mode & 0o077 == 0


def test_variables_that_win_over_ours_are_removed(place: Place) -> None:
    running = daemon.find(place)
    assert running
    foreign = {
        "STORAGE_EMULATOR_HOST": "http://evil.example",
        "BIGQUERY_EMULATOR_HOST": "http://evil.example",
        "no_grpc_proxy": "*",
        "ALL_PROXY": "socks5://evil.example",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": "https://evil.example/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "/tmp/real",
        "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT": "real@x",
        "GOOGLE_CLOUD_QUOTA_PROJECT": "real",
        "GCE_METADATA_HOST": "evil.example",
        "GCE_METADATA_IP": "10.0.0.1",
        "GRPC_PROXY_EXP": "http://evil.example",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "evil.example",
    }
    variables = running.applied({"PATH": "/bin", "NO_PROXY": "*.googleapis.com", **foreign})
    assert not set(foreign) & set(variables)
    assert variables["PATH"] == "/bin"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "127.0.0.1,localhost"
    assert variables["GOOGLE_API_USE_CLIENT_CERTIFICATE"] == "false"
    assert variables["GOOGLE_CLOUD_PROJECT"] == "tridock-local"
