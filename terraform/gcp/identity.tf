# Two identities: what the containers run as, and who releases.

resource "google_service_account" "server" {
  account_id   = "${local.prefix}-server"
  display_name = "What the endpoints' containers run as"
}

resource "google_storage_bucket_iam_member" "server_reads_bundles" {
  bucket = google_storage_bucket.artifacts.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.server.member
}

resource "google_project_iam_member" "server_writes_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.server.member
}

resource "google_project_iam_member" "server_writes_metrics" {
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.server.member
}
