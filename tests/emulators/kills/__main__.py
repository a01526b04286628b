"""Kill an emulator at random moments of an upload and a deployment, and count what is lost.

``python -m tests.emulators.kills aws --times 200``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.emulators.kills.trial import WORKLOADS, Trial


def main() -> int:
    """Run the trial and return 0 if nothing was lost and every release converged."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.kills", description=__doc__)
    parser.add_argument("cloud", choices=sorted(WORKLOADS))
    parser.add_argument("--times", type=int, default=200, help="kills (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default %(default)s)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Trial.begin(options.cloud, Path(folder), seed=options.seed) as trial,
    ):
        for number in range(options.times):
            trial.strike()
            print(f"{number + 1}/{options.times} {trial.count}", file=sys.stderr, flush=True)
        trial.converge()
    print(json.dumps(trial.count.summary(), indent=2))
    return 1 if trial.count.is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
