provider "google" {
  project        = var.project
  region         = var.region
  default_labels = local.labels
}

data "google_project" "current" {
  project_id = var.project
}

locals {
  prefix = "${var.name}-${var.environment}"
  number = data.google_project.current.number

  # Made of names, so that a plan shows them already.
  server   = "${google_service_account.server.account_id}@${var.project}.iam.gserviceaccount.com"
  registry = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"

  labels = merge(var.tags, {
    "tridock-name"        = var.name
    "tridock-environment" = var.environment
  })

  services = toset([
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudkms.googleapis.com",
    "compute.googleapis.com",
    "dns.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "run.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
  ])
}

resource "google_project_service" "this" {
  for_each           = local.services
  service            = each.key
  disable_on_destroy = false
}
