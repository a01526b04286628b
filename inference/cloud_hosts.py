"""The clouds' own hosts: the only ones that credentials are sent to, and without redirects."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

#: Blob storage («Azure Government», «Azure China» and «Azure Storage», DNS zone endpoints).
AZURE_BLOBS = (
    ".blob.core.windows.net",
    ".blob.storage.azure.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
)
#: Online and batch endpoints of Azure ML («Network isolation», required hosts).
AZURE_SCORING = (
    ".inference.ml.azure.com",
    ".inference.ml.azure.us",
    ".inference.ml.azure.cn",
    ".api.azureml.ms",
    ".api.ml.azure.us",
    ".api.ml.azure.cn",
)
#: Log streams of Container Apps.
AZURE_LOGS = (".azurecontainerapps.dev", ".azurecontainerapps.us", ".azurecontainerapps.cn")
#: Services of Cloud Run.
GOOGLE_RUN = (".run.app",)


def is_of(url: str, suffixes: Sequence[str]) -> bool:
    """Return whether a URL leads by HTTPS, at its usual port, to a host with one of the suffixes.

    Parameters
    ----------
    suffixes : Sequence of str
        In lower case, each with its leading dot.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    is_plain = "@" not in parts.netloc and "\\" not in url and port in (None, 443)
    return parts.scheme == "https" and is_plain and host.endswith(tuple(suffixes))


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: urllib would send the credentials on, to any host and without TLS."""

    def redirect_request(self, *about: Any) -> None:
        """Return nothing, which makes the redirect an HTTPError."""


def opened(request: urllib.request.Request, *, seconds: float) -> Any:
    """Open a request that may bear credentials; a redirect is an error.

    Proxies and trusted authorities are those that the environment names now.

    Raises
    ------
    OSError
        As `urllib.request.urlopen` does.
    """
    return urllib.request.build_opener(_Stay).open(request, timeout=seconds)
