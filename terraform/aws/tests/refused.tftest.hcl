# Wrong values are refused before anything is asked of a cloud, with a message that says what to do.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  endpoints = ["iris"]
}

override_data {
  target          = data.aws_caller_identity.current
  override_during = plan
  values          = { account_id = "123456789012" }
}

override_data {
  target          = data.aws_partition.current
  override_during = plan
  values          = { partition = "aws", dns_suffix = "amazonaws.com" }
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
    region = "Virginia"
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
    log_retention_days = 45
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
    idle_hours = 25
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
