# What the module makes with nothing but a subscription, a suffix and the endpoints' names. No account and no network.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "00000000-0000-0000-0000-00000000000a" }
  }

  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev" }
  }

  mock_resource "azurerm_storage_account" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Storage/storageAccounts/tridockdevab12" }
  }

  mock_resource "azurerm_container_registry" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.ContainerRegistry/registries/tridockdevab12" }
  }

  mock_resource "azurerm_key_vault" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.KeyVault/vaults/tridockdevab12" }
  }

  mock_resource "azurerm_log_analytics_workspace" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.OperationalInsights/workspaces/tridock-dev" }
  }

  mock_resource "azurerm_application_insights" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Insights/components/tridock-dev" }
  }

  mock_resource "azurerm_machine_learning_workspace" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.MachineLearningServices/workspaces/tridock-dev" }
  }

  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mock"
      client_id    = "00000000-0000-0000-0000-00000000000b"
      principal_id = "00000000-0000-0000-0000-00000000000c"
    }
  }

  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Insights/actionGroups/tridock-dev-alarms" }
  }

  mock_resource "azurerm_role_definition" {
    defaults = { role_definition_resource_id = "/subscriptions/44444444-4444-4444-4444-444444444444/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-00000000000d" }
  }

  mock_resource "azurerm_virtual_network" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Network/virtualNetworks/tridock-dev" }
  }

  mock_resource "azurerm_subnet" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Network/virtualNetworks/tridock-dev/subnets/doors" }
  }

  mock_resource "azurerm_network_security_group" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Network/networkSecurityGroups/tridock-dev" }
  }

  mock_resource "azurerm_private_dns_zone" {
    defaults = { id = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.Network/privateDnsZones/mock" }
  }
}

override_resource {
  target          = azurerm_machine_learning_workspace.this
  override_during = plan
  values = {
    id       = "/subscriptions/44444444-4444-4444-4444-444444444444/resourceGroups/tridock-dev/providers/Microsoft.MachineLearningServices/workspaces/tridock-dev"
    identity = { principal_id = "00000000-0000-0000-0000-00000000000e" }
  }
}

variables {
  subscription_id = "44444444-4444-4444-4444-444444444444"
  suffix          = "ab12"
  endpoints       = ["iris", "loans"]
  released        = ["iris"]
  alarm_email     = "models@example.com"
  deployer        = { subject = "repo:acme/models:ref:refs/heads/main" }
  tags            = { team = "risk" }
}

run "nothing_is_public_and_no_key_opens_anything" {
  command = plan

  assert {
    condition     = !azurerm_storage_account.this.allow_nested_items_to_be_public && !azurerm_storage_account.this.shared_access_key_enabled
    error_message = "the storage can be public, or be opened with its key"
  }

  assert {
    condition     = !azurerm_container_registry.this.admin_enabled && !azurerm_container_registry.this.anonymous_pull_enabled
    error_message = "the registry has an administrator's password, or lets anybody pull"
  }

  assert {
    condition     = azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled
    error_message = "the key vault has access policies, or can be purged"
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.storage_account_access_type == "identity"
    error_message = "the workspace reaches its storage with a key"
  }
}

run "everything_is_encrypted_on_its_way" {
  command = plan

  assert {
    condition     = azurerm_storage_account.this.https_traffic_only_enabled && azurerm_storage_account.this.min_tls_version == "TLS1_2"
    error_message = "the storage answers without TLS, or with an old one"
  }
}

run "artifacts_are_kept_and_forgotten_as_told" {
  command = plan

  variables {
    artifact_retention_days = 90
    log_retention_days      = 30
  }

  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].versioning_enabled && azurerm_storage_account.this.blob_properties[0].delete_retention_policy[0].days == 90
    error_message = "replaced blobs are not kept for artifact_retention_days"
  }

  assert {
    condition     = azurerm_container_registry.this.retention_policy_in_days == 90
    error_message = "untagged images are not forgotten after artifact_retention_days"
  }

  assert {
    condition     = azurerm_log_analytics_workspace.this.retention_in_days == 30
    error_message = "logs are not kept for log_retention_days"
  }
}

run "the_deployer_may_what_its_calls_need" {
  command = plan

  assert {
    condition     = !anytrue([for each in azurerm_role_definition.deployer.permissions[0].actions : strcontains(each, "*") || !(startswith(each, "Microsoft.MachineLearningServices/workspaces/") || each == "Microsoft.Insights/metrics/read")])
    error_message = "the deployer's role has a wildcard, or an action that neither is of the workspace nor reads its metrics"
  }

  assert {
    condition     = alltrue([for each in azurerm_role_definition.scale.permissions[0].actions : can(regex("^Microsoft.Insights/autoscaleSettings/(delete|read|write)$", each))])
    error_message = "the deployer's role for scaling has more than autoscale settings"
  }

  assert {
    condition     = azurerm_role_assignment.deployer.scope == azurerm_machine_learning_workspace.this.id && azurerm_role_assignment.deployer_keeps_bundles.scope == azurerm_storage_account.this.id
    error_message = "the deployer's roles reach further than workspace and storage"
  }

  assert {
    condition     = azurerm_federated_identity_credential.deployer[0].subject == "repo:acme/models:ref:refs/heads/main" && azurerm_federated_identity_credential.deployer[0].audience == tolist(["api://AzureADTokenExchange"])
    error_message = "others than the subject may act as the deployer"
  }
}

run "the_server_reads_bundles_and_pulls_its_image" {
  command = plan

  assert {
    condition     = { for role, each in azurerm_role_assignment.server : role => each.scope } == { AcrPull = azurerm_container_registry.this.id, "Storage Blob Data Reader" = azurerm_storage_account.this.id }
    error_message = "the server may do more"
  }
}

run "released_endpoints_are_watched" {
  command = plan

  variables {
    alarm_latency_ms = 250
    idle_hours       = 12
  }

  assert {
    condition     = keys(azurerm_monitor_metric_alert.errors) == ["iris"] && keys(azurerm_monitor_metric_alert.latency) == ["iris"] && keys(azurerm_monitor_scheduled_query_rules_alert_v2.idle) == ["iris"]
    error_message = "a released endpoint has no alarm"
  }

  assert {
    condition     = azurerm_monitor_metric_alert.latency["iris"].criteria[0].threshold == 250
    error_message = "the latency's threshold is not alarm_latency_ms"
  }

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.idle["iris"].window_duration == "PT12H"
    error_message = "the idle alarm does not look back idle_hours"
  }

  assert {
    condition     = one(azurerm_monitor_metric_alert.errors["iris"].action).action_group_id == azurerm_monitor_action_group.alarms.id && azurerm_monitor_scheduled_query_rules_alert_v2.idle["iris"].action[0].action_groups == tolist([azurerm_monitor_action_group.alarms.id])
    error_message = "an alarm wakes nobody"
  }

  assert {
    condition     = azurerm_monitor_action_group.alarms.email_receiver[0].email_address == "models@example.com"
    error_message = "alarms go to nobody"
  }
}

run "money_is_watched" {
  command = plan

  variables {
    monthly_budget = 250
  }

  assert {
    condition     = azurerm_consumption_budget_resource_group.this.amount == 250 && azurerm_consumption_budget_resource_group.this.time_grain == "Monthly"
    error_message = "the budget is not monthly_budget"
  }

  assert {
    condition     = endswith(azurerm_consumption_budget_resource_group.this.time_period[0].start_date, "-01T00:00:00Z")
    error_message = "the budget does not begin with a month"
  }

  assert {
    condition     = { for each in azurerm_consumption_budget_resource_group.this.notification : each.threshold_type => each.threshold } == { Actual = 80, Forecasted = 100 }
    error_message = "the budget warns at other shares"
  }
}

run "everything_is_tagged" {
  command = plan

  assert {
    condition = alltrue([for each in [
      azurerm_resource_group.this.tags, azurerm_storage_account.this.tags, azurerm_key_vault.this.tags, azurerm_container_registry.this.tags,
      azurerm_machine_learning_workspace.this.tags, azurerm_log_analytics_workspace.this.tags, azurerm_user_assigned_identity.server.tags,
    ] : each == tomap({ team = "risk", tridock-name = "tridock", tridock-environment = "dev" })])
    error_message = "tags are missing"
  }
}

run "the_deployer_s_settings_are_known_before_anything_is_made" {
  command = plan

  assert {
    condition     = output.deploy.subscription == "44444444-4444-4444-4444-444444444444" && output.deploy.group == "tridock-dev" && output.deploy.workspace == "tridock-dev"
    error_message = "the workspace is not in the output"
  }

  assert {
    condition     = output.deploy.image == "tridockdevab12.azurecr.io/model-server:1" && endswith(output.deploy.identity, "/userAssignedIdentities/tridock-dev-server")
    error_message = "image or identity are not in the output"
  }
}

run "no_network_unless_asked_for" {
  command = plan

  assert {
    condition     = length(azurerm_virtual_network.this) + length(azurerm_private_endpoint.this) == 0 && azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "Disabled"
    error_message = "a network is made"
  }
}

run "a_private_network_closes_every_public_door" {
  command = plan

  variables {
    private_networking = true
  }

  assert {
    condition = !anytrue([
      azurerm_storage_account.this.public_network_access_enabled, azurerm_key_vault.this.public_network_access_enabled,
      azurerm_container_registry.this.public_network_access_enabled, azurerm_machine_learning_workspace.this.public_network_access_enabled,
    ])
    error_message = "something is reached from the internet"
  }

  assert {
    condition     = azurerm_storage_account.this.network_rules[0].default_action == "Deny" && azurerm_key_vault.this.network_acls[0].default_action == "Deny"
    error_message = "storage or keys let strangers in"
  }

  assert {
    condition     = keys(azurerm_private_endpoint.this) == ["blob", "file", "registry", "vault", "workspace"]
    error_message = "something has no private address"
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowOnlyApprovedOutbound"
    error_message = "containers may talk to the internet"
  }

  assert {
    condition     = azurerm_network_security_rule.this["Outbound"].access == "Deny" && azurerm_network_security_rule.this["Outbound"].destination_address_prefix == "Internet"
    error_message = "the network lets everything out"
  }
}

run "without_a_deployer_nobody_is_trusted" {
  command = plan

  variables {
    deployer = null
  }

  assert {
    condition     = length(azurerm_federated_identity_credential.deployer) == 0 && output.deployer_identity == null
    error_message = "somebody may act as the deployer"
  }
}
