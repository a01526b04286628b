"""Strangers at the emulated Azure are refused, each in the words of the service they ask."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.emulators.azure.rest import VERSION, WORKSPACE, Rest
from tests.emulators.azure.strangers import bare, code
from tridock.emulators import daemon
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.entra import CLIENT, TENANT, Entra
from tridock.emulators.azure.http.front import ACCOUNT
from tridock.emulators.place import Place

TOKENS = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
MANAGEMENT = "https://management.azure.com"
STORAGE = "https://storage.azure.com"
BLOBS = f"https://{ACCOUNT}.blob.core.windows.net"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/guarded"
SCORE = "https://guarded.eastus.inference.ml.azure.com/score"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place("azure", tmp_path_factory.mktemp("state"), speed=600.0)
    daemon.up(place)
    yield place
    daemon.down(place)


@pytest.fixture(scope="module")
def rest(place: Place) -> Iterator[Rest]:
    rest = Rest.open(daemon.environment(place))
    rest.endpoint("guarded")
    yield rest
    rest.client.close()


@pytest.fixture(scope="module")
def entra(place: Place) -> Entra:
    """Return what signs tokens as the emulator does, to make those that a clock would."""
    return Entra(Credentials.at(place))


@pytest.mark.parametrize(
    ("form", "status", "number"),
    [
        ({"client_secret": "emulated"}, 401, 7000215),
        ({"client_secret": ""}, 401, 7000218),
        ({"client_assertion": "a.b.c"}, 401, 700027),
        ({"client_id": SCORE}, 400, 700016),
        ({"client_id": ""}, 400, 900144),
        ({"grant_type": "password"}, 400, 70003),
        ({"scope": MANAGEMENT}, 400, 1002012),
        ({"scope": ""}, 400, 900144),
    ],
)
def test_a_client_that_is_not_the_accounts_gets_no_token(
    rest: Rest, form: Mapping[str, str], status: int, number: int
) -> None:
    good = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": rest.secret,
        "scope": f"{MANAGEMENT}/.default",
    }
    answer = rest.client.post(TOKENS, data={**good, **form})
    assert (answer.status_code, answer.json()["error_codes"]) == (status, [number])
    assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")
    assert rest.client.post(TOKENS, data=good).status_code == 200
    elsewhere = TOKENS.replace(TENANT, "contoso.onmicrosoft.com")
    assert rest.client.post(elsewhere, data=good).json()["error_codes"] == [90002]


def test_resource_manager_takes_good_tokens_for_itself_only(rest: Rest, entra: Entra) -> None:
    stranger = Entra(replace(entra.credentials, signing_key=b"another"))
    given = {
        "": "AuthenticationFailed",
        "Basic Zm9v": "AuthenticationFailed",
        "Bearer": "AuthenticationFailed",
        "Bearer foreign": "InvalidAuthenticationToken",
        f"Bearer {stranger.issue(MANAGEMENT)}": "InvalidAuthenticationToken",
        f"Bearer {entra.issue(MANAGEMENT, lifetime=-1)}": "ExpiredAuthenticationToken",
        f"Bearer {entra.issue(MANAGEMENT, nbf=int(time.time()) + 900)}": (
            "ExpiredAuthenticationToken"
        ),
        f"Bearer {entra.issue(MANAGEMENT, tid='other')}": "InvalidAuthenticationTokenTenant",
        f"Bearer {entra.issue(STORAGE)}": "InvalidAuthenticationTokenAudience",
        f"Bearer {entra.issue('https://vault.azure.net')}": "InvalidAuthenticationTokenAudience",
    }
    url = f"{MANAGEMENT}{ENDPOINT}?api-version={VERSION['api-version']}"
    for authorization, wanted in given.items():
        sent = {"Authorization": authorization} if authorization else {}
        answer = bare(rest, "GET", url, **sent)
        assert code(answer) == (401, wanted), authorization
        assert "authorization_uri" in answer.headers["WWW-Authenticate"]
    assert rest.arm("GET", ENDPOINT).status_code == 200


def test_a_token_whose_signature_is_taken_off_is_refused(rest: Rest, entra: Entra) -> None:
    head, claims, _ = entra.issue(MANAGEMENT).split(".")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    url = f"{MANAGEMENT}{ENDPOINT}?api-version={VERSION['api-version']}"
    for token in (f"{none}.{claims}.", f"{head}.{claims}.", f"{head}.{claims}.AAAA"):
        answer = bare(rest, "GET", url, Authorization=f"Bearer {token}")
        assert code(answer) == (401, "InvalidAuthenticationToken")


def test_the_services_beside_resource_manager_ask_for_tokens(rest: Rest) -> None:
    for path in ("/history/v1.0/x/rundata", f"{WORKSPACE}/batchEndpoints/b/jobs"):
        url = f"https://eastus.api.azureml.ms{path}"
        for headers in ({}, {"Authorization": f"Bearer {rest.token(STORAGE)}"}):
            assert bare(rest, "POST", url, **headers).status_code == 401


def test_an_endpoint_takes_its_keys_only_and_not_those_before(rest: Rest) -> None:
    old = rest.key("guarded")
    for authorization in ("", "Bearer x", f"Basic {old}", "Bearer", f"Bearer {old[:-1]}"):
        sent = {"Authorization": authorization} if authorization else {}
        answer = bare(rest, "POST", SCORE, **sent)
        assert code(answer) == (401, "key_auth_access_denied")
    good = bare(rest, "POST", SCORE, Authorization=f"Bearer {old}")
    assert good.status_code == 404  # It is let in; no deployment is there.
    answer = rest.arm("POST", f"{ENDPOINT}/regenerateKeys", {"keyType": "Primary"})
    assert rest.done(answer)["status"] == "Succeeded"
    assert bare(rest, "POST", SCORE, Authorization=f"Bearer {old}").status_code == 401
    new = rest.key("guarded")
    assert bare(rest, "POST", SCORE, Authorization=f"Bearer {new}").status_code == 404


def test_a_token_of_an_endpoint_opens_no_other_and_no_later_one(rest: Rest, entra: Entra) -> None:
    def token(name: str) -> str:
        path = f"{WORKSPACE}/onlineEndpoints/{name}"
        return str(rest.arm("POST", f"{path}/token").json()["accessToken"])

    def status(name: str, given: str) -> int:
        url = SCORE.replace("guarded", name)
        return bare(rest, "POST", url, Authorization=f"Bearer {given}").status_code

    for name in ("first", "second"):
        rest.endpoint(name, "AMLToken")
    first = token("first")
    assert (status("first", first), status("second", first)) == (404, 401)
    assert status("first", rest.token("https://ml.azure.com")) == 401
    rest.done(rest.arm("DELETE", f"{WORKSPACE}/onlineEndpoints/first"))
    rest.endpoint("first", "AMLToken")
    assert (status("first", first), status("first", token("first"))) == (401, 404)


PAGES = [
    {"Origin": "https://page.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "rebound.example:8443"},
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: " ".join(*page.items()))
def test_a_web_page_is_refused_before_any_work(rest: Rest, page: Mapping[str, str]) -> None:
    addresses = {
        f"{MANAGEMENT}{ENDPOINT}?api-version=2024-10-01": "GET",
        f"{BLOBS}/azureml-blobstore-1/x": "PUT",
        TOKENS: "POST",
        SCORE: "POST",
        f"{rest.local}/_emulator/reset": "POST",
        f"{rest.local}/metadata/endpoints": "GET",
    }
    good = {"Authorization": f"Bearer {rest.control}"}
    for url, method in addresses.items():
        answer = (
            bare(rest, method, url, **good, **page)
            if rest.local not in url
            else direct(rest, method, url, {**good, **page})
        )
        assert code(answer) == (403, "AuthorizationFailure"), url
        assert "access-control-allow-origin" not in answer.headers
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
    for url in (f"{rest.local}/_emulator/reset", f"{rest.local}/subscriptions/x"):
        assert direct(rest, "OPTIONS", url, preflight).status_code == 403
    assert rest.arm("GET", ENDPOINT).status_code == 200


@pytest.mark.parametrize("port", ["abc", "1_0", "9" * 5000])
def test_a_port_that_is_no_number_is_refused_in_words(rest: Rest, port: str) -> None:
    host = f"iris.eastus.azurecontainer.io:{port}"
    answer = direct(rest, "POST", f"{rest.local}/predict", {"Host": host})
    assert code(answer) == (400, "UserError")
    assert "which is no number" in answer.text


def direct(
    rest: Rest, method: str, url: str, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send a request to the emulator itself."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(verify=trust, trust_env=False, timeout=600) as client:
        return client.request(method, url, headers=headers)


def test_the_emulators_controls_need_its_secret(rest: Rest) -> None:
    for path, method in (("reset", "POST"), ("faults", "PUT"), ("servers", "GET")):
        url = f"{rest.local}/_emulator/{path}"
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer"}):
            assert code(direct(rest, method, url, headers)) == (401, "AuthenticationFailed")
    good = {"Authorization": f"Bearer {rest.control}"}
    assert direct(rest, "GET", f"{rest.local}/_emulator/servers", good).status_code == 200
    assert rest.arm("GET", ENDPOINT).status_code == 200


def test_a_managed_identitys_endpoint_needs_the_header_that_a_server_was_given(
    rest: Rest, place: Place
) -> None:
    url = f"{rest.local}/msi/token?api-version=2019-08-01&resource={MANAGEMENT}"
    for header in ("", "emulated", rest.secret):
        answer = direct(rest, "GET", url, {"X-IDENTITY-HEADER": header, "Metadata": "true"})
        assert code(answer) == (401, "Unauthorized")
    header = daemon.environment(place)["IDENTITY_HEADER"]
    assert direct(rest, "GET", url, {"X-IDENTITY-HEADER": header}).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/metadata/identity/oauth2/token?resource=x",
        "http://127.0.0.1:1/",
        "http://management.azure.com/subscriptions",
        "https://a.blob.evil.example/c/b",
        "https://management.azure.com.evil.example/",
        "https://management.usgovcloudapi.net/",
        "https://pypi.org/",
    ],
)
def test_the_proxy_leads_no_unknown_host_out(rest: Rest, url: str) -> None:
    if url.startswith("https"):
        with pytest.raises(httpx.ProxyError, match="403 Refused by the emulated cloud"):
            rest.client.get(url)
        return
    answer = rest.client.get(url)
    assert (answer.status_code, answer.text[:29]) == (403, "Refused by the emulated cloud")


def test_variables_of_the_caller_that_lead_elsewhere_are_unset(place: Place) -> None:
    foreign = {
        "AZURE_AUTHORITY_HOST": "https://login.elsewhere.example",
        "AZURE_CLIENT_CERTIFICATE_PATH": "/elsewhere/client.pem",
        "AZURE_USERNAME": "someone",
        "AZURE_PASSWORD": "theirs",
        "AZURE_FEDERATED_TOKEN_FILE": "/elsewhere/token",
        "AZURE_TOKEN_CREDENTIALS": "dev",
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=theirs",
        "AZUREML_DEV_URL_MFE": "https://elsewhere.example",
        "ARM_CLOUD_METADATA_URL": "https://elsewhere.example/metadata",
        "ARM_ACCESS_KEY": "theirs",
        "MSI_ENDPOINT": "http://elsewhere.example/token",
        "IDENTITY_SERVER_THUMBPRINT": "theirs",
        "IMDS_ENDPOINT": "http://169.254.169.254",
        "ALL_PROXY": "http://elsewhere.example:3128",
    }
    replaced = {
        "AZURE_CLIENT_SECRET": "theirs",
        "AZURE_CONFIG_DIR": "/elsewhere/.azure",
        "IDENTITY_ENDPOINT": "http://elsewhere.example/token",
        "IDENTITY_HEADER": "theirs",
        "NO_PROXY": "*",
        "no_proxy": "management.azure.com",
        "https_proxy": "http://elsewhere.example:3128",
        "REQUESTS_CA_BUNDLE": "/elsewhere/ca.pem",
    }
    caller = dict(os.environ) | foreign | replaced
    door = [sys.executable, "-m", "tridock.emulators"]
    state = ["azure", "--state", str(place.state)]
    exports = _printed([*door, "env", *state], caller)
    for printed in (
        _printed([*door, "run", *state, "--", "env"], caller),
        _printed(["sh", "-c", f"{exports}\nenv"], caller),
    ):
        left = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
        assert not set(foreign) & set(left)
        assert not {name: left[name] for name in replaced if left[name] == replaced[name]}


def _printed(command: list[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
    return done.stdout


def test_the_secrets_are_random_for_each_state_folder_and_the_owners_alone(
    place: Place, tmp_path: Path
) -> None:
    other = Place("azure", tmp_path)
    other.make()
    mine, theirs = Credentials.at(place), Credentials.at(other)
    for name in ("client_secret", "identity_header", "signing_key", "account_key", "token"):
        assert getattr(mine, name) != getattr(theirs, name)
        assert str(getattr(mine, name)) not in repr(mine)
    assert Credentials.at(other) == theirs
    for name in ("secret", "client-secret", "identity-header", "signing-key", "account-key"):
        assert stat.S_IMODE((place.folder / name).stat().st_mode) == 0o600


def test_with_any_credentials_the_host_and_the_origin_still_count(tmp_path: Path) -> None:
    place = Place("azure", tmp_path, speed=600.0, any_credentials=True)
    try:
        variables = daemon.up(place).environment
        rest = replace(Rest.open(variables), secret="dummy")
        assert "--any-credentials" in place.log.read_text()
        answer = rest.client.post(TOKENS.replace(TENANT, "common"), data=DUMMY)
        token = f"Bearer {answer.json()['access_token']}"
        url = f"{MANAGEMENT}{WORKSPACE}?api-version=2024-10-01"
        for authorization in (token, "Bearer dummy"):
            assert bare(rest, "GET", url, Authorization=authorization).status_code == 200
        assert bare(rest, "GET", url).status_code == 401
        blob = f"{BLOBS}/azureml-blobstore-1/x"
        for sent in ({"Authorization": "SharedKey a:b"}, {"Authorization": "Bearer b"}):
            assert bare(rest, "GET", blob, **sent).status_code == 404
        assert bare(rest, "GET", f"{blob}?sv=2021-12-02&sig=x").status_code == 404
        assert bare(rest, "GET", blob).status_code == 401
        rest.endpoint("guarded")
        assert bare(rest, "POST", SCORE, Authorization="Bearer dummy").status_code == 404
        assert bare(rest, "POST", SCORE).status_code == 401
        for page in PAGES:
            assert bare(rest, "GET", url, Authorization=token, **page).status_code == 403
        assert direct(rest, "POST", f"{rest.local}/_emulator/reset").status_code == 401
        rest.client.close()
    finally:
        daemon.down(place)


DUMMY = {
    "grant_type": "client_credentials",
    "client_id": "dummy",
    "client_secret": "dummy",
    "scope": f"{MANAGEMENT}/.default",
}
