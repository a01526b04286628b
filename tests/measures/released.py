"""A release whose calls are noted: `python -m tests.measures.released FLAG TO FOLDER`.

The first release of an endpoint imports what it needs. The second one, of another version, is
noted: it moves traffic in two steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.measures.tracing import Tracer
from tridock.deploy.__main__ import main

SETTINGS = ("--set", "steps=[50, 100]", "--set", "gates.requests=5")
#: No verdict depends on how fast the machine is.
UNHURRIED = ("--set", "gates.latency_p95=600000")


def run(flag: Path, to: Path, folder: Path) -> int:
    """Release twice, note the second, delete, and return the first exit code that is not 0."""
    common = ["--endpoint", "measured", "--state", str(folder / "state")]
    settings = [*common, *SETTINGS, *UNHURRIED]
    tracer = Tracer(flag, to)
    code = main(["release", "--bundle", str(folder / "iris"), *settings])
    tracer.flag[0] = 1
    tracer.start()
    code = code or main(["release", "--bundle", str(folder / "two"), *settings])
    tracer.stop()
    return main(["delete", *common]) or code


if __name__ == "__main__":
    sys.exit(run(*map(Path, sys.argv[1:])))
