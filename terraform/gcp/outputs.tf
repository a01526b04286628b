# The first block has the same names in terraform/aws and terraform/azure; `deploy` reads it.

output "region" {
  description = "Region of the endpoints."
  value       = var.region
}

output "bucket" {
  description = "Bucket for bundles and results."
  value       = google_storage_bucket.artifacts.name
}

output "registry" {
  description = "Repository for the model server's image."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}

output "server_identity" {
  description = "Service account that the endpoints' containers run as."
  value       = google_service_account.server.email
}

output "project" {
  description = "Project of the endpoints."
  value       = var.project
}
