"""Common parts of Container Apps and Container Instances: requests without a key, sizes."""

from __future__ import annotations

import httpx

from tridock.deploy.azure.errors import translated
from tridock.deploy.target.errors import ConfigError, InvokeError

TIMEOUT = 240.0


def ask(client: httpx.Client, url: str, body: bytes, *, operation: str) -> bytes:
    """Send one JSON request and return the answer.

    Raises
    ------
    InvokeError
        If the model server answered an error.
    """
    with translated(operation):
        answer = client.post(
            url, content=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT
        )
    if answer.is_error:
        raise InvokeError(
            f"the model answered {answer.status_code}: {answer.text}",
            operation=operation,
            status=answer.status_code,
        )
    return answer.content


# Machine sizes as CPUs and memory, for services that sell those.

#: CPUs of virtual machines ("Sizes for virtual machines in Azure").
CPUS = {
    "Standard_DS2_v2": 2.0,
    "Standard_DS3_v2": 4.0,
    "Standard_DS4_v2": 8.0,
    "Standard_E2s_v3": 2.0,
    "Standard_E4s_v3": 4.0,
    "Standard_F2s_v2": 2.0,
    "Standard_F4s_v2": 4.0,
    "Standard_F8s_v2": 8.0,
}
DEFAULT = 1.0

#: GiB of memory for each CPU.
MEMORY = 2.0

#: The most CPUs of one container in the Consumption plan, and in most regions of ACI.
MOST = 4.0


def cpus(instance: str) -> float:
    """Return the CPUs of a machine size, or of a plain number of them, at most `MOST`.

    Raises
    ------
    ConfigError
        If `instance` is neither.
    """
    try:
        number = CPUS[instance] if instance in CPUS else float(instance or DEFAULT)
    except ValueError:
        raise ConfigError(
            f"azure.instance is {instance!r}: for this service give a number of CPUs such as "
            f"0.5, or one of {', '.join(CPUS)}"
        ) from None
    return min(number, MOST)
