"""Calls of a released model, to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from tridock.deploy.azure.account import Account


def snippets(account: Account, url: str, endpoint: str, body: bytes) -> Mapping[str, str]:
    """Return calls that send `body` to an endpoint, by the name of the client."""
    where = f"-g {account.group} -w {account.workspace}"
    data = shlex.quote(body.decode())
    key = f"az ml online-endpoint get-credentials -n {endpoint} {where} --query primaryKey -o tsv"
    kind = "-H 'Content-Type: application/json'"
    curl = f'curl -s {url} -H "Authorization: Bearer $({key})" {kind} -d {data}'
    workspace = ", ".join(
        repr(one) for one in (account.subscription, account.group, account.workspace)
    )
    python = f"""\
import httpx
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), {workspace})
key = client.online_endpoints.get_keys({endpoint!r}).primary_key
headers = {{"Authorization": f"Bearer {{key}}"}}
print(httpx.post({url!r}, json={json.loads(body)!r}, headers=headers).json())"""
    return {"curl": curl, "azure-ai-ml": python}


def plain_calls(url: str, body: bytes) -> Mapping[str, str]:
    """Return calls that send `body` to an address that asks for no key."""
    data = shlex.quote(body.decode())
    curl = f"curl -s {url} -H 'Content-Type: application/json' -d {data}"
    python = f"import httpx\n\nprint(httpx.post({url!r}, json={json.loads(body)!r}).json())"
    return {"curl": curl, "httpx": python}
