"""Threads of a loaded estimator: no more than the cores there are, and none for small batches.

A forest that was fitted with all cores wakes them for every row, which takes twenty milliseconds;
the linear algebra library counts the machine's cores, not the container's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tridock.inference import cpu

#: Read by OpenMP when it is loaded (OpenMP API, «OMP_NUM_THREADS»).
OPENMP = "OMP_NUM_THREADS"
#: How its idle threads wait: one that spins takes the core that another request needs.
WAITING = "OMP_WAIT_POLICY"


def announce() -> None:
    """Tell OpenMP how many threads to start, unless the environment does; before it is loaded."""
    os.environ.setdefault(OPENMP, str(cpu.whole()))
    os.environ.setdefault(WAITING, "PASSIVE")


def calm(estimator: Any) -> None:
    """Let an estimator and its parts predict in the thread that asks them."""
    for part in _parts(estimator):
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = 1


def bound() -> None:
    """Keep the libraries of linear algebra to the cores there are, from now on."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(cpu.whole(), user_api="blas")


def _parts(estimator: Any) -> list[Any]:
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parameters: Mapping[str, Any] = estimator.get_params(deep=True)
        parts += parameters.values()
    # Pipelines hold their parts as parameters, column transformers hold fitted copies of them.
    for part in list(parts):
        held = getattr(part, "transformers_", ())
        parts += [each[1] for each in held if hasattr(each[1], "transform")]
    return parts
