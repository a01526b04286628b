# The Machine Learning workspace and where it writes logs.

resource "azurerm_log_analytics_workspace" "this" {
  name                = local.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  retention_in_days   = var.log_retention_days
  tags                = local.tags
}

resource "azurerm_application_insights" "this" {
  name                = local.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  workspace_id        = azurerm_log_analytics_workspace.this.id
  application_type    = "web"
  retention_in_days   = 90
  tags                = local.tags
}

resource "azurerm_machine_learning_workspace" "this" {
  # checkov:skip=CKV2_AZURE_49:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV2_AZURE_50:closed by private_networking; without it, who may enter is decided by Entra ID alone
  name                          = local.prefix
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  application_insights_id       = azurerm_application_insights.this.id
  key_vault_id                  = azurerm_key_vault.this.id
  storage_account_id            = azurerm_storage_account.this.id
  container_registry_id         = azurerm_container_registry.this.id
  storage_account_access_type   = "identity"
  public_network_access_enabled = !var.private_networking
  v1_legacy_mode_enabled        = false
  tags                          = local.tags

  identity {
    type = "SystemAssigned"
  }

  managed_network {
    isolation_mode = var.private_networking ? "AllowOnlyApprovedOutbound" : "Disabled"
  }
}
