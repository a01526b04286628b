"""What a machine costs per hour."""

from __future__ import annotations

from tridock.deploy.target.plugin import Prices

#: Real-time inference, on demand, without Savings Plans. Other regions differ by up to a half.
PRICES = Prices(
    {
        "ml.t2.medium": 0.056,
        "ml.m5.large": 0.115,
        "ml.m5.xlarge": 0.23,
        "ml.m5.2xlarge": 0.461,
        "ml.m5.4xlarge": 0.922,
        "ml.c5.large": 0.102,
        "ml.c5.xlarge": 0.204,
        "ml.c5.2xlarge": 0.408,
        "ml.g4dn.xlarge": 0.736,
        "ml.g5.xlarge": 1.408,
    },
    source="an estimate of November 2026 that was not compared with the price list, which is: "
    "Amazon SageMaker AI pricing, real-time inference, US East (N. Virginia), on demand",
)
