# Wrong values are refused before anything is asked of a cloud, with a message that says what to do.

mock_provider "google" {}

variables {
  endpoints = ["iris"]
  project   = "acme-models"
}

run "name_is_checked" {
  command = plan

  variables {
    name = "Bad_Name"
  }

  expect_failures = [var.name]
}

run "environment_is_checked" {
  command = plan

  variables {
    environment = "production"
  }

  expect_failures = [var.environment]
}

run "region_is_checked" {
  command = plan

  variables {
    region = "us-east-1"
  }

  expect_failures = [var.region]
}

run "endpoints_is_checked" {
  command = plan

  variables {
    endpoints = ["Not An Endpoint"]
  }

  expect_failures = [var.endpoints]
}

run "artifact_retention_days_is_checked" {
  command = plan

  variables {
    artifact_retention_days = 0
  }

  expect_failures = [var.artifact_retention_days]
}

run "log_retention_days_is_checked" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "image_tag_is_checked" {
  command = plan

  variables {
    image_tag = "latest"
  }

  expect_failures = [var.image_tag]
}

run "alarm_email_is_checked" {
  command = plan

  variables {
    alarm_email = "nobody"
  }

  expect_failures = [var.alarm_email]
}

run "alarm_latency_ms_is_checked" {
  command = plan

  variables {
    alarm_latency_ms = 0
  }

  expect_failures = [var.alarm_latency_ms]
}

run "idle_hours_is_checked" {
  command = plan

  variables {
    idle_hours = 24
  }

  expect_failures = [var.idle_hours]
}

run "monthly_budget_is_checked" {
  command = plan

  variables {
    monthly_budget = -1
  }

  expect_failures = [var.monthly_budget]
}

run "deployer_is_checked" {
  command = plan

  variables {
    deployer = { subject = "*" }
  }

  expect_failures = [var.deployer]
}

run "project_is_checked" {
  command = plan

  variables {
    project = "Acme Models"
  }

  expect_failures = [var.project]
}

run "billing_account_is_checked" {
  command = plan

  variables {
    billing_account = "my account"
  }

  expect_failures = [var.billing_account]
}

run "tags_is_checked" {
  command = plan

  variables {
    tags = { Team = "Risk" }
  }

  expect_failures = [var.tags]
}

run "an_issuer_without_tls_is_refused" {
  command = plan

  variables {
    deployer = { issuer = "http://example.com", subject = "repo:acme/models:ref:refs/heads/main" }
  }

  expect_failures = [var.deployer]
}

run "no_endpoint_at_all_is_refused" {
  command = plan

  variables {
    endpoints = []
  }

  expect_failures = [var.endpoints]
}
