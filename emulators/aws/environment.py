"""The variables that lead unmodified AWS clients to the emulator, and to nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
_CREDENTIALS = "[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n"


def environment(url: str, folder: Path) -> Mapping[str, str]:
    """Write the clients' files into `folder` and return the variables.

    A user's own profiles cannot leak in: the files named here are the only ones botocore reads,
    and keys in the environment win over every profile.
    """
    files = {
        "AWS_CONFIG_FILE": (folder / "client" / "config", _CONFIG.format(region=REGION)),
        "AWS_SHARED_CREDENTIALS_FILE": (folder / "client" / "credentials", _CREDENTIALS),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": (folder / "client" / "sagemaker.yaml", _SAGEMAKER),
    }
    for path, text in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return _variables(url) | {name: str(path) for name, (path, _) in files.items()}


def _variables(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "default",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
