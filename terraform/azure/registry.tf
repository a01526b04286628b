# The model server's image.

resource "azurerm_container_registry" "this" {
  # checkov:skip=CKV_AZURE_164:content trust is deprecated; releases name a tag that never moves
  # checkov:skip=CKV_AZURE_139:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV_AZURE_165:one region: the image can be pushed again
  # checkov:skip=CKV_AZURE_166:quarantine needs a scanner that releases images; the image is scanned where it is built
  name                          = local.flat
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  sku                           = "Premium" # private endpoints, retention and zones are Premium's
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  zone_redundancy_enabled       = true
  data_endpoint_enabled         = true
  public_network_access_enabled = !var.private_networking
  retention_policy_in_days      = var.artifact_retention_days
  tags                          = local.tags
}
