# The workspace's own storage: model assets, batch results, collected requests.

resource "azurerm_storage_account" "this" {
  # checkov:skip=CKV_AZURE_59:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV_AZURE_35:closed by private_networking; without it, who may enter is decided by Entra ID alone
  # checkov:skip=CKV2_AZURE_33:private_networking makes the private endpoint, by for_each
  # checkov:skip=CKV_AZURE_33:nothing of ours uses the queue service
  # checkov:skip=CKV_AZURE_206:ZRS keeps three copies in one region; a bundle can be built again from its source
  # checkov:skip=CKV2_AZURE_1:Microsoft's keys; a customer key would have to be reachable by the workspace's managed services
  name                            = local.flat
  resource_group_name             = azurerm_resource_group.this.name
  location                        = azurerm_resource_group.this.location
  account_tier                    = "Standard"
  account_replication_type        = "ZRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  public_network_access_enabled   = !var.private_networking
  tags                            = local.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.artifact_retention_days
    }

    container_delete_retention_policy {
      days = var.artifact_retention_days
    }
  }

  sas_policy {
    expiration_period = "01.00:00:00"
  }

  network_rules {
    default_action = var.private_networking ? "Deny" : "Allow"
    bypass         = ["AzureServices"]
  }
}
