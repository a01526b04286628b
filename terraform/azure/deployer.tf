# Who releases: an identity that an OpenID Connect subject may act as, with the actions that the calls of
# deploy/azure need and no other. tests/terraform/slow/test_permissions.py holds the two equal.

locals {
  autoscale = "Microsoft.Insights/autoscaleSettings"
  metrics   = "Microsoft.Insights/metrics"
  ml        = "Microsoft.MachineLearningServices/workspaces"
}

resource "azurerm_user_assigned_identity" "deployer" {
  name                = "${local.prefix}-deployer"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "deployer" {
  count               = var.deployer == null ? 0 : 1
  name                = "oidc"
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.deployer.id
  issuer              = var.deployer.issuer
  audience            = [var.deployer.audience]
  subject             = var.deployer.subject
}

resource "azurerm_role_definition" "deployer" {
  name              = "${local.prefix}-deployer"
  description       = "The calls of a release, a rollback and a deletion"
  scope             = azurerm_resource_group.this.id
  assignable_scopes = [azurerm_resource_group.this.id]

  permissions {
    actions = [
      "${local.ml}/read",
      "${local.ml}/data/read",
      "${local.ml}/data/versions/delete",
      "${local.ml}/data/versions/read",
      "${local.ml}/data/versions/write",
      "${local.ml}/batchEndpoints/read", # a sweep leaves what a batch endpoint uses
      "${local.ml}/batchEndpoints/deployments/read",
      "${local.ml}/datastores/read",
      "${local.ml}/datastores/listSecrets/action",
      "${local.ml}/environments/versions/delete",
      "${local.ml}/environments/versions/read",
      "${local.ml}/environments/versions/write",
      "${local.ml}/models/read",
      "${local.ml}/models/write",
      "${local.ml}/models/versions/delete",
      "${local.ml}/models/versions/read",
      "${local.ml}/models/versions/write",
      "${local.ml}/onlineEndpoints/delete",
      "${local.ml}/onlineEndpoints/listKeys/action",
      "${local.ml}/onlineEndpoints/read",
      "${local.ml}/onlineEndpoints/write",
      "${local.ml}/onlineEndpoints/deployments/delete",
      "${local.ml}/onlineEndpoints/deployments/getLogs/action",
      "${local.ml}/onlineEndpoints/deployments/read",
      "${local.ml}/onlineEndpoints/deployments/write",
      "${local.metrics}/read",
    ]
  }
}

# Settings of Azure Monitor autoscale stand beside the workspace, in its group.
resource "azurerm_role_definition" "scale" {
  name              = "${local.prefix}-scale"
  description       = "Let the instances of deployments follow their load"
  scope             = azurerm_resource_group.this.id
  assignable_scopes = [azurerm_resource_group.this.id]

  permissions {
    actions = [
      "${local.autoscale}/delete",
      "${local.autoscale}/read",
      "${local.autoscale}/write",
    ]
  }
}

resource "azurerm_role_assignment" "deployer_scales" {
  scope              = azurerm_resource_group.this.id
  role_definition_id = azurerm_role_definition.scale.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.deployer.principal_id
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "deployer" {
  scope              = azurerm_machine_learning_workspace.this.id
  role_definition_id = azurerm_role_definition.deployer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.deployer.principal_id
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "deployer_keeps_bundles" {
  scope                = azurerm_storage_account.this.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.deployer.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "deployer_gives_the_server" {
  scope                = azurerm_user_assigned_identity.server.id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.deployer.principal_id
  principal_type       = "ServicePrincipal"
}
