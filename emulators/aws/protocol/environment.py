"""The variables that lead unmodified AWS clients to the emulator, and to nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from tridock.emulators.aws.protocol.access_keys import Key
from tridock.emulators.certificates import Authority

REGION = "us-east-1"
BUCKET = f"sagemaker-{REGION}-123456789012"

#: The SageMaker SDK builds some clients with an explicit host; a default bucket keeps it from
#: asking STS there, and telemetry would leave this machine (SageMaker Python SDK, "Configuring
#: and using defaults with the SageMaker Python SDK").
_SAGEMAKER = f"""SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: '{BUCKET}'
"""

_CONFIG = "[default]\nregion = {region}\n"
_CREDENTIALS = "[default]\naws_access_key_id = {0.id}\naws_secret_access_key = {0.secret}\n"


#: Hosts of AWS that end here; the proxy refuses all others.
HOSTS = ("*.amazonaws.com", "*.api.aws")

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
#: Each way of reading a store: botocore and the SDKs, requests, OpenSSL, curl, Node.
_TRUST = (
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
#: Variables that win over ours, or that name another account's keys, profile or address. The
#: names that are exported below stay (AWS SDKs and Tools Reference Guide, "Settings reference").
FOREIGN = (
    "AWS_*ENDPOINT*",
    "AWS_*PROFILE*",
    "AWS_*CREDENTIAL*",
    "AWS_*TOKEN*",
    "AWS_*CONFIG*",
    "AWS_*METADATA*",
    "AWS_ROLE_*",
    "AWS_USE_*",
    "AWS_S3_*",
    "AWS_ACCOUNT_ID*",
    "AWS_SIGV4*",
    "AWS_AUTH_*",
    "AWS_LOGIN_*",
    "BOTO_CONFIG",
    "S3_ENDPOINT*",
    "MLFLOW_S3_ENDPOINT_URL",
    "SAGEMAKER_*_CONFIG_OVERRIDE",
    "ALL_PROXY",
    "all_proxy",
)


def environment(url: str, proxy: str, authority: Authority, key: Key) -> Mapping[str, str | None]:
    """Write the clients' files and return the variables.

    A user's own profiles cannot leak in: the files named here are the only ones botocore reads,
    keys in the environment win over every profile, and what would win over them is removed.

    Parameters
    ----------
    url : str
        Address of the emulator itself.
    proxy : str
        Address of the CONNECT proxy.
    authority : Authority
        Vouches for AWS's hosts at the proxy.
    key : Key
        The account's own access key.
    """
    folder = authority.folder.parent
    keys = _CREDENTIALS.format(key)
    files = {
        "AWS_CONFIG_FILE": (folder / "client" / "config", _CONFIG.format(region=REGION)),
        "AWS_SHARED_CREDENTIALS_FILE": (
            folder / "client" / "credentials",
            keys,
        ),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": (folder / "client" / "sagemaker.yaml", _SAGEMAKER),
    }
    for path, text in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    foreign: dict[str, str | None] = dict.fromkeys(FOREIGN)
    led = _variables(url, key) | dict.fromkeys(_PROXIES, proxy)
    led |= dict.fromkeys(_TRUST, str(authority.bundle))
    return foreign | led | {name: str(path) for name, (path, _) in files.items()}


def _variables(url: str, key: Key) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "default",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
