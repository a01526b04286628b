# With private_networking: a network with a private address for the workspace and all it stands on.
# «Configure a private endpoint for an Azure Machine Learning workspace».

locals {
  private = var.private_networking ? 1 : 0
  zones = {
    api       = "privatelink.api.azureml.ms"
    notebooks = "privatelink.notebooks.azure.net"
    blob      = "privatelink.blob.core.windows.net"
    file      = "privatelink.file.core.windows.net"
    vault     = "privatelink.vaultcore.azure.net"
    registry  = "privatelink.azurecr.io"
  }
  doors = {
    workspace = { id = azurerm_machine_learning_workspace.this.id, part = "amlworkspace", zones = ["api", "notebooks"] }
    blob      = { id = azurerm_storage_account.this.id, part = "blob", zones = ["blob"] }
    file      = { id = azurerm_storage_account.this.id, part = "file", zones = ["file"] }
    vault     = { id = azurerm_key_vault.this.id, part = "vault", zones = ["vault"] }
    registry  = { id = azurerm_container_registry.this.id, part = "registry", zones = ["registry"] }
  }
}

resource "azurerm_virtual_network" "this" {
  count               = local.private
  name                = local.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  address_space       = ["10.20.0.0/24"]
  tags                = local.tags
}

resource "azurerm_subnet" "this" {
  count                             = local.private
  name                              = "doors"
  resource_group_name               = azurerm_resource_group.this.name
  virtual_network_name              = azurerm_virtual_network.this[0].name
  address_prefixes                  = ["10.20.0.0/25"]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled"
}

resource "azurerm_network_security_group" "this" {
  count               = local.private
  name                = local.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_network_security_rule" "this" {
  for_each                    = var.private_networking ? { Inbound = "VirtualNetwork", Outbound = "Internet" } : {}
  name                        = lower(each.key)
  resource_group_name         = azurerm_resource_group.this.name
  network_security_group_name = azurerm_network_security_group.this[0].name
  description                 = each.key == "Inbound" ? "HTTPS from the network" : "Nothing to the internet"
  priority                    = 100
  direction                   = each.key
  access                      = each.key == "Inbound" ? "Allow" : "Deny"
  protocol                    = each.key == "Inbound" ? "Tcp" : "*"
  source_port_range           = "*"
  source_address_prefix       = each.key == "Inbound" ? each.value : "*"
  destination_port_range      = each.key == "Inbound" ? "443" : "*"
  destination_address_prefix  = each.key == "Inbound" ? "*" : each.value
}

resource "azurerm_subnet_network_security_group_association" "this" {
  count                     = local.private
  subnet_id                 = azurerm_subnet.this[0].id
  network_security_group_id = azurerm_network_security_group.this[0].id
}

resource "azurerm_private_dns_zone" "this" {
  for_each            = var.private_networking ? local.zones : {}
  name                = each.value
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each              = azurerm_private_dns_zone.this
  name                  = each.key
  resource_group_name   = azurerm_resource_group.this.name
  private_dns_zone_name = each.value.name
  virtual_network_id    = azurerm_virtual_network.this[0].id
  tags                  = local.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each            = var.private_networking ? local.doors : {}
  name                = "${local.prefix}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  subnet_id           = azurerm_subnet.this[0].id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.part]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = each.key
    private_dns_zone_ids = [for zone in each.value.zones : azurerm_private_dns_zone.this[zone].id]
  }
}
