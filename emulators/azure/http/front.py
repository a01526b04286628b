"""The names under which a caller sees the emulated Azure: real hosts, or one local address."""

from __future__ import annotations

from dataclasses import dataclass

#: Region of the emulated account; it is part of scoring host names.
REGION = "eastus"

#: Storage account behind the emulated workspaces.
ACCOUNT = "tridockstorage"

MANAGEMENT = "management.azure.com"
LOGIN_HOSTS = ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net")
BLOB_SUFFIX = ".blob.core.windows.net"
SCORING_SUFFIX = f".{REGION}.inference.ml.azure.com"
API_SUFFIX = ".api.azureml.ms"
APPS_SUFFIX = ".azurecontainerapps.io"
APPS_STREAM = f"{REGION}.azurecontainerapps.dev"
INSTANCES_SUFFIX = ".azurecontainer.io"

#: Patterns of the hosts that the proxy leads here.
HOSTS = (
    MANAGEMENT,
    *LOGIN_HOSTS,
    "*" + BLOB_SUFFIX,
    "*" + SCORING_SUFFIX,
    "*" + API_SUFFIX,
    "*" + APPS_SUFFIX,
    APPS_STREAM,
    "*" + INSTANCES_SUFFIX,
)


@dataclass(frozen=True)
class Front:
    """Addresses to put into answers.

    Attributes
    ----------
    local : str
        ``"localhost:8443"`` for a caller that was led here by ``ARM_CLOUD_METADATA_URL``; empty for
        one that came through the proxy and knows only real host names.
    """

    local: str = ""

    @classmethod
    def of(cls, host: str) -> Front:
        """Return the answer to a caller of `host`."""
        name = host.partition(":")[0]
        return cls(host if name in ("localhost", "127.0.0.1") else "")

    @property
    def management(self) -> str:
        """Root of Azure Resource Manager."""
        return f"https://{self.local or MANAGEMENT}"

    @property
    def login(self) -> str:
        """Root of Entra."""
        return f"https://{self.local or LOGIN_HOSTS[0]}"

    @property
    def api(self) -> str:
        """Root of the Azure ML services beside Resource Manager."""
        return f"https://{self.local or REGION + API_SUFFIX}"

    @property
    def account(self) -> str:
        """Account name of the workspace's datastore.

        azure-ai-ml forms the account's address as ``https://{account}.blob.{suffix}``. No such name
        resolves on this machine; the ``#`` makes what follows it a fragment of the URL.
        """
        return f"{self.local}/_storage/{ACCOUNT}#" if self.local else ACCOUNT

    def blob(self, container: str) -> str:
        """Return the address of a blob container."""
        root = f"{self.local}/_storage/{ACCOUNT}" if self.local else ACCOUNT + BLOB_SUFFIX
        return f"https://{root}/{container}"

    def scoring(self, endpoint: str) -> str:
        """Return the root of an online endpoint."""
        if self.local:
            return f"https://{self.local}/_endpoints/{endpoint}"
        return f"https://{endpoint}{SCORING_SUFFIX}"
