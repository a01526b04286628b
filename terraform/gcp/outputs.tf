# The first block has the same names in terraform/aws and terraform/azure.

output "deploy" {
  description = "What `python -m tridock.deploy --target gcp --live` reads: the account's keys of the table [gcp] in release.toml."
  value = {
    project         = var.project
    location        = var.region
    bucket          = google_storage_bucket.artifacts.name
    service_account = local.server
    image           = "${local.registry}/model-server:${var.image_tag}"
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
  value       = google_storage_bucket.artifacts.name
}

output "registry" {
  description = "Repository for the model server's image, without a tag."
  value       = "${local.registry}/model-server"
}

output "server_identity" {
  description = "What the endpoints' containers run as: a service account."
  value       = local.server
}

output "deployer_identity" {
  description = "What whoever releases takes on: a service account, null without a deployer."
  value       = var.deployer == null ? null : google_service_account.deployer.email
}

output "alarms" {
  description = "Where alarms go: a notification channel, null without alarm_email."
  value       = one(google_monitoring_notification_channel.email[*].id)
}

output "key" {
  description = "What artifacts and images are encrypted with: a key's name."
  value       = google_kms_crypto_key.this.id
}

output "identity_provider" {
  description = "Workload identity provider that whoever releases names, null without a deployer."
  value       = one(google_iam_workload_identity_pool_provider.deployer[*].name)
}

output "network" {
  description = "Network that reaches the endpoints without the internet, null without private_networking."
  value       = one(google_compute_network.this[*].id)
}
