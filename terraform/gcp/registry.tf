# The model server's image: a regional repository, which Vertex AI demands. Tags never move.

resource "google_artifact_registry_repository" "this" {
  repository_id = local.prefix
  location      = var.region
  format        = "DOCKER"
  description   = "The model server's image"
  kms_key_name  = google_kms_crypto_key.this.id

  docker_config {
    immutable_tags = true
  }

  cleanup_policies {
    id     = "forget-untagged"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "${var.artifact_retention_days * 86400}s"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.services]
}

# Vertex AI's own agent pulls the image.
resource "google_artifact_registry_repository_iam_member" "vertex" {
  location   = google_artifact_registry_repository.this.location
  repository = google_artifact_registry_repository.this.name
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:service-${local.number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
}
