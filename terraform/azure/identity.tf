# What the endpoints' containers run as: an identity that reads bundles and pulls the image.

resource "azurerm_user_assigned_identity" "server" {
  name                = "${local.prefix}-server"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "server" {
  for_each = {
    "Storage Blob Data Reader" = azurerm_storage_account.this.id
    "AcrPull"                  = azurerm_container_registry.this.id
  }
  scope                = each.value
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.server.principal_id
  principal_type       = "ServicePrincipal"
}

# The workspace's own identity is given its roles on storage, keys and registry by Azure, when it is made.
