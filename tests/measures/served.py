"""A model server whose calls are noted: `python -m tests.measures.served FLAG TO WORDS…`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.measures.tracing import Tracer
from tridock.inference.__main__ import main

if __name__ == "__main__":
    Tracer(Path(sys.argv[1]), Path(sys.argv[2])).start()
    sys.exit(main(sys.argv[3:]))
