# Errors of the model, its latency, and nobody asking it anything: on every online endpoint of the workspace.
# Metrics and dimensions: «Supported metrics for Microsoft.MachineLearningServices/workspaces/onlineEndpoints».

locals {
  namespace = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
  endpoints = { for each in var.endpoints : each => "${azurerm_machine_learning_workspace.this.id}/onlineEndpoints/${each}" }
}

resource "azurerm_monitor_action_group" "alarms" {
  name                = "${local.prefix}-alarms"
  resource_group_name = azurerm_resource_group.this.name
  short_name          = substr(var.name, 0, 12)
  tags                = local.tags

  dynamic "email_receiver" {
    for_each = var.alarm_email == null ? [] : [var.alarm_email]

    content {
      name                    = "email"
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}
