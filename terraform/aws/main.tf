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

  # Made of names, so that a plan shows them already.
  server_role = "arn:${local.partition}:iam::${local.account}:role/${aws_iam_role.server.name}"
  registry    = "${local.account}.dkr.ecr.${var.region}.${data.aws_partition.current.dns_suffix}/${aws_ecr_repository.this.name}"

  tags = merge(var.tags, {
    "tridock:name"        = var.name
    "tridock:environment" = var.environment
  })
}
