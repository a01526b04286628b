# One key for artifacts and images.

resource "google_kms_key_ring" "this" {
  name     = local.prefix
  location = var.region

  depends_on = [google_project_service.this]
}

resource "google_kms_crypto_key" "this" {
  # checkov:skip=CKV_GCP_82:a key's versions live on for 30 days after destroy, which is the protection that dev needs too
  name                       = "artifacts"
  key_ring                   = google_kms_key_ring.this.id
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days
}

resource "google_kms_crypto_key_iam_member" "services" {
  for_each = {
    storage  = "service-${local.number}@gs-project-accounts.iam.gserviceaccount.com"
    registry = "service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    vertex   = "service-${local.number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
  }
  crypto_key_id = google_kms_crypto_key.this.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
