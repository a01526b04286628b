# Bundles (bundles/<digest>/) and the results of batch predictions.

resource "google_storage_bucket" "artifacts" {
  # checkov:skip=CKV_GCP_62:Cloud Audit Logs say who read what; an access-log bucket would need the same care again
  name                        = "${local.prefix}-artifacts-${local.number}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.this.id
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.artifact_retention_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 7
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.services]
}
