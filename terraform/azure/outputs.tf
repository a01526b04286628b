# The first block has the same names in terraform/aws and terraform/gcp.

output "deploy" {
  description = "What `python -m tridock.deploy --target azure --live` reads: the account's keys of the table [azure] in release.toml."
  value = {
    subscription = var.subscription_id
    group        = azurerm_resource_group.this.name
    workspace    = azurerm_machine_learning_workspace.this.name
    identity     = local.server
    image        = "${local.registry}:${var.image_tag}"
  }
}

output "region" {
  description = "Region of the endpoints."
  value       = var.region
}

output "endpoints" {
  description = "Names that may be released."
  value       = sort(var.endpoints)
}

output "bucket" {
  description = "Where bundles are stored: the workspace's storage account."
  value       = azurerm_storage_account.this.name
}

output "registry" {
  description = "Repository for the model server's image, without a tag."
  value       = local.registry
}

output "server_identity" {
  description = "What the endpoints' containers run as: a user-assigned identity's id."
  value       = local.server
}

output "deployer_identity" {
  description = "What whoever releases takes on: a user-assigned identity's client id, null without a deployer."
  value       = var.deployer == null ? null : azurerm_user_assigned_identity.deployer.client_id
}

output "alarms" {
  description = "Where alarms go: an action group's id."
  value       = azurerm_monitor_action_group.alarms.id
}

output "key" {
  description = "Where the workspace keeps keys: a key vault's id."
  value       = azurerm_key_vault.this.id
}

output "tenant" {
  description = "Tenant that whoever releases logs in to."
  value       = data.azurerm_client_config.current.tenant_id
}
