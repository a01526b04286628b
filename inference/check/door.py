"""The command `check`: an address is asked, an image is looked at and started first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tridock.inference import check
from tridock.inference.check import report
from tridock.inference.check.finding import Finding
from tridock.inference.check.subject import UnreachableError
from tridock.inference.errors import BundleError
from tridock.inference.image.engine import EngineError
from tridock.inference.plaintext import lines


def main(options: argparse.Namespace) -> int:
    """Judge, print what was found, and return the exit code: 0 kept, 1 not, 2 cannot be judged."""
    try:
        findings = _server(options) if "://" in options.server else _image(options)
    except (UnreachableError, EngineError, BundleError) as error:
        print(lines(f"error: {error}"), file=sys.stderr)  # noqa: T201
        return 2
    told = report.as_json(options.server, findings) if options.json else report.table(findings)
    print(lines(told))  # noqa: T201
    return int(any(finding.falls_short for finding in findings))


def _server(options: argparse.Namespace) -> Sequence[Finding]:
    return check.judge(options.server, options.cloud or check.CLOUDS, options.example)


def _image(options: argparse.Namespace) -> Sequence[Finding]:
    from tridock.inference.bundle.bundle import Bundle
    from tridock.inference.check import image

    if not options.bundle:
        raise BundleError(
            f"{options.server} has no :// and so is an image: say what it is to serve with "
            "--bundle DIR, e.g. the one that `make bundle` makes"
        )
    folder = Bundle.read(options.bundle).path
    found = image.judge(
        options.server, options.cloud or check.CLOUDS, folder, memory=options.memory
    )
    findings = []
    for finding in found:
        print(f"{finding.rule}: {finding.state.value}", file=sys.stderr)  # noqa: T201
        findings.append(finding)
    return findings
