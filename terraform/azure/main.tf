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
}

resource "azurerm_resource_group" "this" {
  name     = local.prefix
  location = var.region
  tags     = local.tags
}
