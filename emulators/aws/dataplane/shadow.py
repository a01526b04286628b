"""Shadow variants: they see copies of requests, and nobody sees their answers."""

from __future__ import annotations

import random
import time

from tridock.emulators.aws.dataplane import invoke
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import initial_weight
from tridock.emulators.aws.dataplane.live import Lease
from tridock.emulators.aws.dataplane.requests import Request


def copy(cloud: Cloud, request: Request, held: Lease) -> None:
    """Send copies to the shadow variants of a generation, in the background.

    The share of copied requests is a shadow variant's weight over the production variant's.
    """
    config = held.share.generation.config
    for variant in config.shadows:
        base = held.share.weights.get(held.instance.variant, 1.0) or 1.0
        if random.random() < initial_weight(variant) / base:
            name = variant["VariantName"]
            instance = held.share.generation.shadows[name]
            # Counted before the production answer goes out: a retired fleet waits for copies too.
            instance.enter()
            shadowed = Lease(held.share, instance)
            cloud.background.submit(_send, cloud, request, shadowed)


def _send(cloud: Cloud, request: Request, held: Lease) -> None:
    try:
        began = time.perf_counter()
        reply = invoke.send(request, held.instance, timeout=cloud.limits.invocation_seconds)
        invoke.measure(cloud, request, held, reply, began=began)
    finally:
        held.instance.leave()
