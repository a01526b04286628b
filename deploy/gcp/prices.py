"""What a machine costs per hour."""

from __future__ import annotations

from tridock.deploy.target.plugin import Prices

#: Online prediction, per replica. Other regions differ by up to a half.
PRICES = Prices(
    {
        "e2-standard-2": 0.0771,
        "e2-standard-4": 0.1541,
        "e2-standard-8": 0.3082,
        "n1-standard-2": 0.1095,
        "n1-standard-4": 0.2190,
        "n1-standard-8": 0.4379,
        "n1-highmem-2": 0.1364,
        "n1-highmem-4": 0.2727,
        "n1-highcpu-4": 0.1634,
    },
    source="an estimate of November 2026 that was not compared with the price list, which is: "
    "Vertex AI pricing, custom-trained models, online prediction, us-central1",
)
