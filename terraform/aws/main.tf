provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  prefix    = "${var.name}-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  sagemaker = "arn:${local.partition}:sagemaker:${var.region}:${local.account}"

  tags = merge(var.tags, {
    "tridock:name"        = var.name
    "tridock:environment" = var.environment
  })
}
