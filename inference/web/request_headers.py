"""Request headers that go back with the answer: its id, and those that clouds expect back."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

#: Sent back as they came. Sources: SageMaker runtime InvokeEndpoint («CustomAttributes»);
#: azureml-inference-server-http («x-ms-client-request-id», «x-ms-request-id»).
ECHOED = (
    b"x-amzn-sagemaker-custom-attributes",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
)
#: Where callers put the id of a request, in the order they are looked at.
IDS = (
    b"x-request-id",
    b"x-ms-client-request-id",
    b"x-ms-request-id",
    b"x-amzn-sagemaker-inference-id",
)
ANY_OF = frozenset((*ECHOED, *IDS))
ID = re.compile(rb"[!-~]{1,128}")
#: InvokeEndpoint: up to 1,024 visible ASCII characters.
ECHOABLE = re.compile(rb"[ -~]{0,1024}")


def request_id(sent: Mapping[bytes, bytes]) -> str:
    """Return the caller's own id, or a new one of 32 hexadecimal digits."""
    if not ANY_OF.isdisjoint(sent):
        for name in IDS:
            if name in sent and ID.fullmatch(sent[name]):
                return sent[name].decode()
    return f"{random.getrandbits(128):032x}"


def echoed(sent: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers that go back as they came."""
    if ANY_OF.isdisjoint(sent):
        return []
    return [
        (name, sent[name]) for name in ECHOED if name in sent and ECHOABLE.fullmatch(sent[name])
    ]
