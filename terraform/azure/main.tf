provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
  }
}

data "azurerm_client_config" "current" {}

locals {
  prefix = "${var.name}-${var.environment}"
  flat   = "${var.name}${var.environment}${var.suffix}"
  tags   = merge(var.tags, { "tridock-name" = var.name, "tridock-environment" = var.environment })

  # Made of names, so that a plan shows them already.
  group     = "/subscriptions/${var.subscription_id}/resourceGroups/${azurerm_resource_group.this.name}"
  workspace = "${local.group}/providers/Microsoft.MachineLearningServices/workspaces/${azurerm_machine_learning_workspace.this.name}"
  server    = "${local.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${azurerm_user_assigned_identity.server.name}"
  registry  = "${azurerm_container_registry.this.name}.azurecr.io/model-server"
}

resource "azurerm_resource_group" "this" {
  name     = local.prefix
  location = var.region
  tags     = local.tags
}
