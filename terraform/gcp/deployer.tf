# Who releases: a service account that an OpenID Connect subject may act as, with the permissions that the
# calls of deploy/gcp need and no other. tests/terraform/slow/test_permissions.py holds the two equal.

resource "google_service_account" "deployer" {
  account_id   = "${local.prefix}-deployer"
  display_name = "Releases bundles to the endpoints of ${local.prefix}"
}

# Vertex AI and Cloud Run have no conditions on names: these hold for the project.
resource "google_project_iam_custom_role" "release" {
  role_id     = "${replace(local.prefix, "-", "_")}_release"
  title       = "${local.prefix}: releases"
  description = "The calls of a release, a rollback and a deletion"
  permissions = [
    "aiplatform.endpoints.create",
    "aiplatform.endpoints.delete",
    "aiplatform.endpoints.deploy",
    "aiplatform.endpoints.get",
    "aiplatform.endpoints.list",
    "aiplatform.endpoints.predict",
    "aiplatform.endpoints.undeploy",
    "aiplatform.endpoints.update",
    "aiplatform.models.delete",
    "aiplatform.models.get",
    "aiplatform.models.list",
    "aiplatform.models.update",
    "aiplatform.models.upload",
    "logging.logEntries.list",
    "monitoring.timeSeries.list",
    "run.revisions.delete",
    "run.revisions.list",
    "run.routes.invoke",
    "run.services.create",
    "run.services.delete",
    "run.services.get",
    "run.services.list",
    "run.services.update",
  ]
}

resource "google_project_iam_member" "deployer_releases" {
  project = var.project
  role    = google_project_iam_custom_role.release.id
  member  = google_service_account.deployer.member
}

resource "google_project_iam_custom_role" "bundles" {
  role_id     = "${replace(local.prefix, "-", "_")}_bundles"
  title       = "${local.prefix}: bundles"
  description = "Store, find and remove bundles"
  permissions = [
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
  ]
}

resource "google_storage_bucket_iam_member" "deployer_keeps_bundles" {
  bucket = google_storage_bucket.artifacts.name
  role   = google_project_iam_custom_role.bundles.id
  member = google_service_account.deployer.member
}

resource "google_service_account_iam_member" "deployer_gives_the_server" {
  service_account_id = google_service_account.server.name
  role               = "roles/iam.serviceAccountUser" # iam.serviceAccounts.actAs, on this one account
  member             = google_service_account.deployer.member
}

resource "google_iam_workload_identity_pool" "deployer" {
  count                     = var.deployer == null ? 0 : 1
  workload_identity_pool_id = "${local.prefix}-deployer"
  display_name              = "${local.prefix}-deployer"
}

resource "google_iam_workload_identity_pool_provider" "deployer" {
  count                              = var.deployer == null ? 0 : 1
  workload_identity_pool_id          = google_iam_workload_identity_pool.deployer[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "oidc"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub == '${var.deployer.subject}'"

  oidc {
    issuer_uri        = var.deployer.issuer
    allowed_audiences = var.deployer.audience == null ? [] : [var.deployer.audience]
  }
}

resource "google_service_account_iam_member" "deployer_is_the_subject" {
  count              = var.deployer == null ? 0 : 1
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.deployer[0].name}/subject/${var.deployer.subject}"
}
