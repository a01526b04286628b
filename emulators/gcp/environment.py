"""The variables that lead unmodified Google clients to the emulator, and to nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emulators.certificates import Authority
from emulators.gcp.auth import write_key
from emulators.gcp.cloud import LOCATION, PROJECT

#: Hosts of Google's that end here; the proxy refuses all others.
HOSTS = ("*.googleapis.com", "*.prediction.vertexai.goog", "*.run.app")


def environment(proxy: str, url: str, authority: Authority) -> Mapping[str, str]:
    """Write the clients' files and return the variables.

    Parameters
    ----------
    proxy : str
        Address of the CONNECT proxy.
    url : str
        Address of the emulator itself.
    """
    key = authority.folder.parent / "client" / "service-account.json"
    write_key(key)
    return (
        _credentials(key)
        | _proxies(proxy)
        | _trust(authority.bundle)
        | {
            "TRIDOCK_GCP_URL": url,
        }
    )


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
