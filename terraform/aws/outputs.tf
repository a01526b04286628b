# The first block has the same names in terraform/gcp and terraform/azure; `deploy` reads it.

output "region" {
  description = "Region of the endpoints."
  value       = var.region
}

output "bucket" {
  description = "Bucket for bundles and captured requests."
  value       = aws_s3_bucket.artifacts.id
}

output "registry" {
  description = "Repository for the model server's image."
  value       = aws_ecr_repository.this.repository_url
}

output "server_identity" {
  description = "Role that the endpoints' containers run as."
  value       = aws_iam_role.server.arn
}
