# What the module makes with nothing but a project and the endpoints' names. No account and no network.

mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }

  mock_resource "google_service_account" {
    defaults = {
      name   = "projects/acme-models/serviceAccounts/mock@acme-models.iam.gserviceaccount.com"
      email  = "mock@acme-models.iam.gserviceaccount.com"
      member = "serviceAccount:mock@acme-models.iam.gserviceaccount.com"
    }
  }

  mock_resource "google_kms_crypto_key" {
    defaults = { id = "projects/acme-models/locations/us-central1/keyRings/tridock-dev/cryptoKeys/artifacts" }
  }

  mock_resource "google_monitoring_notification_channel" {
    defaults = { id = "projects/acme-models/notificationChannels/1" }
  }
}

override_resource {
  target          = google_project_iam_custom_role.release
  override_during = plan
  values          = { id = "projects/acme-models/roles/tridock_dev_release" }
}

override_resource {
  target          = google_project_iam_custom_role.bundles
  override_during = plan
  values          = { id = "projects/acme-models/roles/tridock_dev_bundles" }
}

override_resource {
  target          = google_iam_workload_identity_pool.deployer
  override_during = plan
  values          = { name = "projects/123456789012/locations/global/workloadIdentityPools/tridock-dev-deployer" }
}

variables {
  project         = "acme-models"
  billing_account = "012345-6789AB-CDEF01"
  endpoints       = ["iris", "loans"]
  alarm_email     = "models@example.com"
  deployer        = { subject = "repo:acme/models:ref:refs/heads/main" }
  tags            = { team = "risk" }
}

run "nothing_is_public" {
  command = plan

  assert {
    condition     = google_storage_bucket.artifacts.public_access_prevention == "enforced" && google_storage_bucket.artifacts.uniform_bucket_level_access
    error_message = "the bucket can be made public"
  }

  assert {
    condition = !anytrue([for each in [
      google_storage_bucket_iam_member.server_reads_bundles.member, google_storage_bucket_iam_member.deployer_keeps_bundles.member,
      google_artifact_registry_repository_iam_member.vertex.member, google_project_iam_member.deployer_releases.member,
    ] : contains(["allUsers", "allAuthenticatedUsers"], each)])
    error_message = "everybody may do something"
  }
}

run "everything_is_encrypted_with_one_key_that_turns" {
  command = plan

  assert {
    condition     = google_kms_crypto_key.this.rotation_period == "7776000s" && google_kms_crypto_key.this.destroy_scheduled_duration == "2592000s"
    error_message = "the key does not turn, or goes too soon"
  }

  assert {
    condition     = google_storage_bucket.artifacts.encryption[0].default_kms_key_name == google_kms_crypto_key.this.id
    error_message = "the bucket does not use the key"
  }

  assert {
    condition     = google_artifact_registry_repository.this.kms_key_name == google_kms_crypto_key.this.id
    error_message = "the registry does not use the key"
  }
}

run "artifacts_are_kept_and_forgotten_as_told" {
  command = plan

  variables {
    artifact_retention_days = 90
    log_retention_days      = 30
  }

  assert {
    condition     = google_storage_bucket.artifacts.versioning[0].enabled && !google_storage_bucket.artifacts.force_destroy
    error_message = "the bucket keeps no versions, or goes with all it holds"
  }

  assert {
    condition     = contains(flatten(google_storage_bucket.artifacts.lifecycle_rule[*].condition[*].days_since_noncurrent_time), 90)
    error_message = "replaced versions are not forgotten after artifact_retention_days"
  }

  assert {
    condition     = one(one(google_artifact_registry_repository.this.cleanup_policies).condition).older_than == "7776000s"
    error_message = "untagged images are not forgotten after artifact_retention_days"
  }

  assert {
    condition     = google_artifact_registry_repository.this.docker_config[0].immutable_tags && google_artifact_registry_repository.this.location == "us-central1"
    error_message = "tags move, or the registry is not regional"
  }

  assert {
    condition     = google_logging_project_bucket_config.default.retention_days == 30
    error_message = "logs are not kept for log_retention_days"
  }
}

run "the_deployer_may_what_its_calls_need" {
  command = plan

  assert {
    condition = !anytrue([for each in concat(tolist(google_project_iam_custom_role.release.permissions), tolist(google_project_iam_custom_role.bundles.permissions)) :
    strcontains(each, "*") || strcontains(each, "setIamPolicy") || strcontains(each, "admin")])
    error_message = "the deployer may change who may what"
  }

  assert {
    condition     = google_project_iam_member.deployer_releases.role == google_project_iam_custom_role.release.id && google_storage_bucket_iam_member.deployer_keeps_bundles.role == google_project_iam_custom_role.bundles.id
    error_message = "the deployer has other roles than its own"
  }

  assert {
    condition     = google_service_account_iam_member.deployer_gives_the_server.service_account_id == google_service_account.server.name
    error_message = "the deployer may act as others than the server"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.deployer[0].attribute_condition == "assertion.sub == 'repo:acme/models:ref:refs/heads/main'"
    error_message = "the pool lets other subjects in"
  }

  assert {
    condition     = endswith(google_service_account_iam_member.deployer_is_the_subject[0].member, "/subject/repo:acme/models:ref:refs/heads/main")
    error_message = "others than the subject may act as the deployer"
  }
}

run "the_server_reads_bundles_and_writes_logs" {
  command = plan

  assert {
    condition     = google_storage_bucket_iam_member.server_reads_bundles.role == "roles/storage.objectViewer"
    error_message = "the server may do more to bundles than read them"
  }

  assert {
    condition     = toset([google_project_iam_member.server_writes_logs.role, google_project_iam_member.server_writes_metrics.role]) == toset(["roles/logging.logWriter", "roles/monitoring.metricWriter"])
    error_message = "the server may do more than write logs and metrics"
  }
}

run "endpoints_are_watched" {
  command = plan

  variables {
    alarm_latency_ms = 250
    idle_hours       = 12
  }

  assert {
    condition     = google_monitoring_alert_policy.latency.conditions[0].condition_threshold[0].threshold_value == 250
    error_message = "the latency's threshold is not alarm_latency_ms"
  }

  assert {
    condition     = alltrue([for each in google_monitoring_alert_policy.idle.conditions : each.condition_threshold[0].duration == "43200s"])
    error_message = "the idle alarm does not look back idle_hours"
  }

  assert {
    condition = alltrue([for each in [google_monitoring_alert_policy.errors, google_monitoring_alert_policy.latency, google_monitoring_alert_policy.idle] :
    toset(each.notification_channels) == toset(google_monitoring_notification_channel.email[*].id)])
    error_message = "an alarm wakes nobody"
  }

  assert {
    condition     = google_monitoring_notification_channel.email[0].labels.email_address == "models@example.com"
    error_message = "alarms go to nobody"
  }
}

run "money_is_watched" {
  command = plan

  variables {
    monthly_budget = 250
  }

  assert {
    condition     = google_billing_budget.this[0].amount[0].specified_amount[0].units == "250"
    error_message = "the budget is not monthly_budget"
  }

  assert {
    condition     = google_billing_budget.this[0].budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "the budget does not count this project"
  }

  assert {
    condition     = toset(google_billing_budget.this[0].threshold_rules[*].threshold_percent) == toset([0.8, 1])
    error_message = "the budget warns at other shares"
  }
}

run "everything_is_labelled" {
  command = plan

  assert {
    condition     = tomap(local.labels) == tomap({ team = "risk", tridock-name = "tridock", tridock-environment = "dev" })
    error_message = "labels are missing"
  }
}

run "needed_services_are_switched_on_and_stay" {
  command = plan

  assert {
    condition     = length(setsubtract(["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "storage.googleapis.com"], keys(google_project_service.this))) == 0
    error_message = "a service that a release calls is not switched on"
  }

  assert {
    condition     = !anytrue([for each in google_project_service.this : each.disable_on_destroy])
    error_message = "a destroy would switch services off for the whole project"
  }
}

run "the_deployer_s_settings_are_known_before_anything_is_made" {
  command = plan

  assert {
    condition     = output.deploy.bucket == "tridock-dev-artifacts-123456789012" && output.deploy.service_account == "tridock-dev-server@acme-models.iam.gserviceaccount.com"
    error_message = "bucket or service account are not in the output"
  }

  assert {
    condition     = output.deploy.image == "us-central1-docker.pkg.dev/acme-models/tridock-dev/model-server:1" && output.deploy.location == "us-central1"
    error_message = "image or location are not in the output"
  }
}

run "no_network_unless_asked_for" {
  command = plan

  assert {
    condition     = length(google_compute_network.this) + length(google_compute_global_forwarding_rule.apis) + length(google_dns_managed_zone.this) == 0
    error_message = "a network is made"
  }
}

run "a_private_network_reaches_the_apis_and_nothing_else" {
  command = plan

  variables {
    private_networking = true
  }

  assert {
    condition     = google_compute_network.this[0].delete_default_routes_on_create && !google_compute_network.this[0].auto_create_subnetworks
    error_message = "the network has a route to the internet"
  }

  assert {
    condition     = google_compute_firewall.nothing_out[0].direction == "EGRESS" && one(google_compute_firewall.nothing_out[0].deny).protocol == "all"
    error_message = "the network lets everything out"
  }

  assert {
    condition     = google_compute_firewall.apis_out[0].destination_ranges == toset(["${google_compute_global_address.apis[0].address}/32"])
    error_message = "the network lets more out than calls of the APIs"
  }

  assert {
    condition     = google_compute_global_forwarding_rule.apis[0].target == "all-apis" && alltrue([for each in google_dns_record_set.this : each.rrdatas == tolist([google_compute_global_address.apis[0].address])])
    error_message = "the APIs' names do not lead to the private address"
  }
}

run "without_a_deployer_nobody_is_trusted" {
  command = plan

  variables {
    deployer = null
  }

  assert {
    condition     = length(google_iam_workload_identity_pool.deployer) + length(google_service_account_iam_member.deployer_is_the_subject) == 0 && output.deployer_identity == null
    error_message = "somebody may act as the deployer"
  }
}
