# The first block has the same names in terraform/gcp and terraform/azure.

output "deploy" {
  description = "What `python -m tridock.deploy --target aws --live` reads: the account's keys of the table [aws] in release.toml."
  value = {
    region          = var.region
    bucket          = aws_s3_bucket.artifacts.bucket
    role            = local.server_role
    image           = "${local.registry}:${var.image_tag}"
    subnets         = join(" ", aws_subnet.this[*].id)
    security_groups = join(" ", aws_security_group.containers[*].id)
  }
}

output "region" {
  description = "Region of the endpoints."
  value       = var.region
}

output "endpoints" {
  description = "Names that may be released, and are watched."
  value       = sort(var.endpoints)
}

output "bucket" {
  description = "Where bundles are stored."
  value       = aws_s3_bucket.artifacts.bucket
}

output "registry" {
  description = "Repository for the model server's image, without a tag."
  value       = local.registry
}

output "server_identity" {
  description = "What the endpoints' containers run as: a role's ARN."
  value       = local.server_role
}

output "deployer_identity" {
  description = "What whoever releases takes on: a role's ARN, null without a deployer."
  value       = one(aws_iam_role.deployer[*].arn)
}

output "alarms" {
  description = "Where alarms go: a topic's ARN."
  value       = aws_sns_topic.alarms.arn
}

output "key" {
  description = "What artifacts, images and logs are encrypted with: a key's ARN."
  value       = aws_kms_key.this.arn
}

output "deployer_policy" {
  description = "The deployer's policy as JSON, for roles that another team makes."
  value       = data.aws_iam_policy_document.deployer.json
}
