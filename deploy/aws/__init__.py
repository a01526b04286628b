"""Amazon SageMaker as a target."""

from __future__ import annotations

from tridock.deploy.target.plugins import Cloud, Prices, Setting

# What a machine costs per hour.

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


SETTINGS = {
    "region": Setting("", "AWS region; by default the credential chain's", account=True),
    "bucket": Setting("", "S3 bucket for bundles, which Terraform makes", account=True),
    "role": Setting(
        "", "ARN of the role that endpoints run as, which Terraform makes", account=True, runs=True
    ),
    "subnets": Setting(
        "",
        "subnets of the containers, blanks between; empty for no network",
        account=True,
        runs=True,
    ),
    "security_groups": Setting(
        "", "security groups of the containers there, blanks between", account=True, runs=True
    ),
    "capture": Setting(
        "",
        "percent of answers kept in the bucket for compare, 0 to end that; empty: as it is",
        runs=True,
    ),
    "alarms": Setting(
        "", "CloudWatch alarms that take traffic for a new one back, commas between; see releases"
    ),
    "alarm_seconds": Setting("300", "seconds they are watched after each move of traffic"),
    "image": Setting("", "the model server's image in ECR", account=True, runs=True),
    "instance": Setting("ml.m5.large", "machine size", runs=True),
    "count": Setting("1", "number of machines of each deployment"),
}

CLOUD = Cloud(
    settings=SETTINGS,
    services={"": "tridock.deploy.aws.target:SageMakerTarget"},
    provision="tridock.deploy.aws.account:provision",
    ambient=("AWS_",),
    prices=PRICES,
    required=("bucket", "role", "image"),
)
