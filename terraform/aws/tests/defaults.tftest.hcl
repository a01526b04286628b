# What the module makes with nothing but the endpoints' names. No account and no network: the values that AWS
# would compute are given here.

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
  endpoints   = ["iris", "loans"]
  alarm_email = "models@example.com"
  deployer    = { subject = "repo:acme/models:ref:refs/heads/main" }
  tags        = { team = "risk" }
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

override_resource {
  target          = aws_kms_key.this
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:123456789012:key/1", key_id = "1", id = "1" }
}

override_resource {
  target          = aws_s3_bucket.artifacts
  override_during = plan
  values          = { arn = "arn:aws:s3:::tridock-dev-artifacts-123456789012", id = "tridock-dev-artifacts-123456789012" }
}

override_resource {
  target          = aws_ecr_repository.this
  override_during = plan
  values          = { arn = "arn:aws:ecr:us-east-1:123456789012:repository/tridock-dev" }
}

override_resource {
  target          = aws_cloudwatch_log_group.endpoint
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:endpoint" }
}

override_resource {
  target          = aws_sns_topic.alarms
  override_during = plan
  values          = { arn = "arn:aws:sns:us-east-1:123456789012:tridock-dev-alarms" }
}

override_resource {
  target          = aws_iam_openid_connect_provider.deployer
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

run "nothing_is_public" {
  command = plan

  assert {
    condition     = aws_s3_bucket_public_access_block.artifacts.block_public_acls && aws_s3_bucket_public_access_block.artifacts.block_public_policy
    error_message = "the bucket lets public ACLs or policies in"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.artifacts.ignore_public_acls && aws_s3_bucket_public_access_block.artifacts.restrict_public_buckets
    error_message = "the bucket heeds public ACLs or policies"
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.artifacts.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "objects can have ACLs"
  }

  assert {
    condition = anytrue([for each in data.aws_iam_policy_document.artifacts.statement :
    each.effect == "Deny" && each.actions == toset(["s3:*"]) && one(each.condition).variable == "aws:SecureTransport" && one(one(each.condition).values) == "false"])
    error_message = "the bucket answers without TLS"
  }

  assert {
    condition     = length(data.aws_iam_policy_document.artifacts.statement) == 1
    error_message = "the bucket's policy says more than that TLS is needed"
  }
}

run "everything_is_encrypted_with_one_key_that_turns" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key does not turn, or goes too soon"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.artifacts.rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.this.arn
    error_message = "the bucket does not use the key"
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].kms_key == aws_kms_key.this.arn
    error_message = "the registry does not use the key"
  }

  assert {
    condition     = alltrue([for each in aws_cloudwatch_log_group.endpoint : each.kms_key_id == aws_kms_key.this.arn])
    error_message = "logs do not use the key"
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.this.id
    error_message = "alarms do not use the key"
  }

  assert {
    condition = alltrue([for each in data.aws_iam_policy_document.key.statement :
    length(each.condition) > 0 || one(each.principals).identifiers == toset(["arn:aws:iam::123456789012:root"])])
    error_message = "a service may use the key for whomever"
  }
}

run "artifacts_are_kept_and_forgotten_as_told" {
  command = plan

  variables {
    artifact_retention_days = 90
    log_retention_days      = 30
  }

  assert {
    condition     = aws_s3_bucket_versioning.artifacts.versioning_configuration[0].status == "Enabled"
    error_message = "the bucket keeps no versions"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.artifacts.rule[0].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "replaced versions are not forgotten after artifact_retention_days"
  }

  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[0].selection.countNumber == 90
    error_message = "untagged images are not forgotten after artifact_retention_days"
  }

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "tags move, or images are not scanned"
  }

  assert {
    condition     = alltrue([for each in aws_cloudwatch_log_group.endpoint : each.retention_in_days == 30])
    error_message = "logs are not kept for log_retention_days"
  }
}

run "the_deployer_may_what_its_calls_need_and_on_its_endpoints_alone" {
  command = plan

  assert {
    condition     = !anytrue([for each in data.aws_iam_policy_document.deployer.statement : strcontains(join(" ", each.actions), "*")])
    error_message = "the deployer's policy has a wildcard action"
  }

  assert {
    condition = alltrue([for each in data.aws_iam_policy_document.deployer.statement :
    !contains(each.resources, "*") || contains(["FindWhatStands", "FindScaling", "ReadMetrics"], each.sid)])
    error_message = "the deployer's policy has a wildcard resource"
  }

  assert {
    condition = alltrue(flatten([for each in data.aws_iam_policy_document.deployer.statement : [for arn in each.resources :
      can(regex("^arn:aws:sagemaker:us-east-1:123456789012:(endpoint/(iris|loans)|(endpoint-config|model)/(iris|loans)--\\*|model-package(-group)?/.*)$", arn))]
    if anytrue([for action in each.actions : startswith(action, "sagemaker:")]) && !contains(["FindWhatStands", "SeeWhoElseRunsAModel", "TellOursFromOthers"], each.sid)]))
    error_message = "the deployer may touch endpoints that are not named"
  }

  assert {
    condition = one([for each in data.aws_iam_policy_document.deployer.statement : "${one(each.condition).variable}=${one(one(each.condition).values)} ${one(each.resources)}"
    if contains(each.actions, "iam:PassRole")]) == "iam:PassedToService=sagemaker.amazonaws.com arn:aws:iam::123456789012:role/tridock-dev-server"
    error_message = "the deployer may give the server's role to any service"
  }

  assert {
    condition = { for each in one([for each in data.aws_iam_policy_document.deployer.statement : each.condition
      if each.sid == "ScaleVariants"]) : each.variable => one(each.values) } == {
      "application-autoscaling:service-namespace"  = "sagemaker"
      "application-autoscaling:scalable-dimension" = "sagemaker:variant:DesiredInstanceCount"
    }
    error_message = "the deployer may scale what is no variant"
  }

  assert {
    condition = alltrue([for arn in one([for each in data.aws_iam_policy_document.deployer.statement : each.resources
    if each.sid == "KeepScalingAlarms"]) : can(regex(":alarm:TargetTracking-endpoint/(iris|loans)/variant/\\*$", arn))])
    error_message = "the deployer may touch alarms that are not its scaling's"
  }

  assert {
    condition = one([for each in data.aws_iam_policy_document.deployer.statement : one(one(each.condition).values)
    if contains(each.actions, "iam:CreateServiceLinkedRole")]) == "sagemaker.application-autoscaling.amazonaws.com"
    error_message = "the deployer may make any service's role"
  }

  assert {
    condition     = { for each in data.aws_iam_policy_document.deployer_trust[0].statement[0].condition : each.variable => one(each.values) }["token.actions.githubusercontent.com:sub"] == "repo:acme/models:ref:refs/heads/main"
    error_message = "the deployer's role does not ask for the subject"
  }

  assert {
    condition     = { for each in data.aws_iam_policy_document.deployer_trust[0].statement[0].condition : each.variable => one(each.values) }["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    error_message = "the deployer's role does not ask for the audience"
  }
}

run "the_server_reads_bundles_and_nothing_else" {
  command = plan

  assert {
    condition     = !anytrue([for each in data.aws_iam_policy_document.server.statement : strcontains(join(" ", each.actions), "*")])
    error_message = "the server's policy has a wildcard action"
  }

  assert {
    condition     = toset([for each in data.aws_iam_policy_document.server.statement : each.sid if contains(each.resources, "*")]) == toset(["LogInToTheRegistry", "EmitOwnMetrics"])
    error_message = "the server's policy has a wildcard resource"
  }

  assert {
    condition     = one(data.aws_iam_policy_document.server_trust.statement[0].condition).variable == "aws:SourceAccount" && one(one(data.aws_iam_policy_document.server_trust.statement[0].condition).values) == "123456789012"
    error_message = "SageMaker may take the server's role for another account"
  }
}

run "each_endpoint_is_watched" {
  command = plan

  variables {
    alarm_latency_ms = 250
    idle_hours       = 12
  }

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.errors) == ["iris", "loans"] && keys(aws_cloudwatch_metric_alarm.latency) == ["iris", "loans"] && keys(aws_cloudwatch_metric_alarm.idle) == ["iris", "loans"]
    error_message = "an endpoint has no alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.latency["iris"].threshold == 250000
    error_message = "the latency's threshold is not alarm_latency_ms in microseconds"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.idle["iris"].evaluation_periods == 12
    error_message = "the idle alarm does not look back idle_hours"
  }

  assert {
    condition = alltrue(flatten([for each in [aws_cloudwatch_metric_alarm.errors, aws_cloudwatch_metric_alarm.latency, aws_cloudwatch_metric_alarm.idle] :
    [for alarm in each : contains(alarm.alarm_actions, aws_sns_topic.alarms.arn)]]))
    error_message = "an alarm wakes nobody"
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "models@example.com"
    error_message = "alarms go to nobody"
  }
}

run "money_is_watched" {
  command = plan

  variables {
    monthly_budget = 250
  }

  assert {
    condition     = aws_budgets_budget.this.limit_amount == "250" && aws_budgets_budget.this.time_unit == "MONTHLY"
    error_message = "the budget is not monthly_budget"
  }

  assert {
    condition     = one(aws_budgets_budget.this.cost_filter).values == tolist(["user:tridock:name$tridock"])
    error_message = "the budget does not count what carries this module's tag"
  }

  assert {
    condition     = { for each in aws_budgets_budget.this.notification : each.notification_type => each.threshold } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "the budget warns at other shares"
  }
}

run "everything_is_tagged" {
  command = plan

  assert {
    condition     = tomap(local.tags) == tomap({ team = "risk", "tridock:name" = "tridock", "tridock:environment" = "dev" })
    error_message = "tags are missing"
  }
}

run "the_deployer_s_settings_are_known_before_anything_is_made" {
  command = plan

  assert {
    condition     = output.deploy.bucket == "tridock-dev-artifacts-123456789012" && output.deploy.role == "arn:aws:iam::123456789012:role/tridock-dev-server"
    error_message = "bucket or role are not in the output"
  }

  assert {
    condition     = output.deploy.image == "123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock-dev:1" && output.deploy.region == "us-east-1"
    error_message = "image or region are not in the output"
  }
}

run "no_network_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.this) + length(aws_vpc_endpoint.doors) == 0 && output.deploy.subnets == ""
    error_message = "a network is made"
  }
}

run "a_private_network_has_doors_and_no_way_out" {
  command = plan

  variables {
    private_networking = true
  }

  override_data {
    target          = data.aws_availability_zones.this
    override_during = plan
    values          = { names = ["us-east-1a", "us-east-1b"] }
  }

  assert {
    condition     = length(aws_subnet.this) == 2 && length(distinct(aws_subnet.this[*].availability_zone)) == 2
    error_message = "the network does not span two zones"
  }

  assert {
    condition     = length(aws_route_table.this) == 1 && length(aws_route_table.this[0].route) == 0
    error_message = "the network has a route of its own"
  }

  assert {
    condition     = alltrue([for each in aws_subnet.this : !coalesce(each.map_public_ip_on_launch, false)])
    error_message = "the network gives public addresses"
  }

  assert {
    condition     = length(setsubtract(["ecr.api", "ecr.dkr", "kms", "logs", "sts"], keys(aws_vpc_endpoint.doors))) == 0 && length(aws_vpc_endpoint.s3) == 1
    error_message = "a service that containers need has no door"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.containers[0].cidr_ipv4 == aws_vpc.this[0].cidr_block && aws_vpc_security_group_egress_rule.containers[0].to_port == 443
    error_message = "containers may talk to others than the doors"
  }

  assert {
    condition     = contains([for each in data.aws_iam_policy_document.server.statement : each.sid], "JoinTheNetwork")
    error_message = "the server may not join the network"
  }
}

run "without_a_deployer_nobody_is_trusted" {
  command = plan

  variables {
    deployer = null
  }

  assert {
    condition     = length(aws_iam_role.deployer) + length(aws_iam_openid_connect_provider.deployer) == 0 && output.deployer_identity == null
    error_message = "a deployer is made"
  }
}
