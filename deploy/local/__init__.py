"""The machine at hand as a target: a process per deployment behind a small router."""

from __future__ import annotations

from tridock.deploy.target.plugins import Cloud

CLOUD = Cloud(settings={}, services={"": "tridock.deploy.local.target:LocalTarget"})
