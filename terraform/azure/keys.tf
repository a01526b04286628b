# The workspace keeps the endpoints' keys here.

resource "azurerm_key_vault" "this" {
  # checkov:skip=CKV_AZURE_109:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV_AZURE_189:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV2_AZURE_32:private_networking makes the private endpoint, by for_each
  name                          = local.flat
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = !var.private_networking
  tags                          = local.tags

  network_acls {
    default_action = var.private_networking ? "Deny" : "Allow"
    bypass         = "AzureServices"
  }
}
