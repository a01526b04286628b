"""The variables that lead unmodified Google clients to the emulator, and to nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tridock.emulators.certificates import Authority
from tridock.emulators.gcp.auth.tokens import Tokens
from tridock.emulators.gcp.core.cloud import LOCATION
from tridock.emulators.gcp.protocol.names import PROJECT

#: Variables that win over ours, or that name another account, address or proxy. The names that are
#: exported below stay (google-auth «Environment variables», gcloud «Properties», gRPC
#: «Environment variables», google-cloud-storage, BigQuery and others for ``*_EMULATOR_HOST``).
FOREIGN = (
    "*_EMULATOR_HOST",
    "BIGQUERY_*_HOST",
    "CLOUDSDK_*",
    "GCE_METADATA_*",
    "GCLOUD_PROJECT",
    "GOOGLE_API_*",
    "GOOGLE_APPLICATION_CREDENTIALS*",
    "GOOGLE_AUTH_*",
    "GOOGLE_CLOUD_*",
    "GOOGLE_*_ENDPOINT*",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_IMPERSONATE_*",
    "GRPC_PROXY_EXP",
    "no_grpc_proxy",
    "GRPC_DNS_*",
    "ALL_PROXY",
    "all_proxy",
    "FTP_PROXY",
    "ftp_proxy",
)


def environment(
    proxy: str, url: str, authority: Authority, tokens: Tokens
) -> Mapping[str, str | None]:
    """Return the variables: values of ours, and None for patterns that are removed.

    Parameters
    ----------
    proxy : str
        Address of the CONNECT proxy.
    url : str
        Address of the emulator itself.
    authority : Authority
        Vouches for Google's hosts at the proxy.
    tokens : Tokens
        Has the clients' service-account file.
    """
    ours = _credentials(tokens.file) | _proxies(proxy) | _trust(authority.bundle)
    return dict.fromkeys(FOREIGN) | ours | {"TRIDOCK_GCP_URL": url}


def _credentials(key: Path) -> dict[str, str]:
    return {
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(key),
        "GOOGLE_CLOUD_REGION": LOCATION,
        "CLOUD_ML_REGION": LOCATION,
        # Without it google-auth asks the metadata server of a machine at Google's for a minute.
        "NO_GCE_CHECK": "true",
        # A user's own gcloud configuration stays unread.
        "CLOUDSDK_CONFIG": str(key.parent / "gcloud"),
        # Client certificates lead to the hosts *.mtls.googleapis.com, with other checks (AIP-4114).
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
        "GOOGLE_API_USE_MTLS_ENDPOINT": "never",
    }


def _proxies(proxy: str) -> dict[str, str]:
    names = "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "grpc_proxy"
    local = "127.0.0.1,localhost"
    return dict.fromkeys(names, proxy) | {"NO_PROXY": local, "no_proxy": local}


def _trust(bundle: Path) -> dict[str, str]:
    """Name the store for each way of reading one: requests, OpenSSL, gRPC, curl, gcloud, Node."""
    names = (
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "CURL_CA_BUNDLE",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
        "NODE_EXTRA_CA_CERTS",
    )
    return dict.fromkeys(names, str(bundle))
