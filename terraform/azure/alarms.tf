# Errors of the model, its latency, and nobody asking it anything. Azure keeps no alarm and no log setting of an
# endpoint that is not there, so they begin with `released`.
# «Supported metrics for Microsoft.MachineLearningServices/workspaces/onlineEndpoints».

locals {
  kind    = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
  watched = { for each in var.released : each => "${local.workspace}/onlineEndpoints/${each}" }
  windows = { "1" = "PT1H", "6" = "PT6H", "12" = "PT12H", "24" = "P1D" }
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

resource "azurerm_monitor_metric_alert" "errors" {
  for_each            = local.watched
  name                = "${local.prefix}-${each.key}-5xx"
  description         = "${each.key}: the model server answered 5xx. `python -m tridock.deploy rollback --target azure --live` goes back."
  resource_group_name = azurerm_resource_group.this.name
  scopes              = [each.value]
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = local.tags

  criteria {
    metric_namespace = local.kind
    metric_name      = "RequestsPerMinute"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = 0

    dimension {
      name     = "statusCodeClass"
      operator = "Include"
      values   = ["5xx"]
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.alarms.id
  }
}

resource "azurerm_monitor_metric_alert" "latency" {
  for_each            = local.watched
  name                = "${local.prefix}-${each.key}-latency"
  description         = "${each.key}: requests take more than ${var.alarm_latency_ms} ms."
  resource_group_name = azurerm_resource_group.this.name
  scopes              = [each.value]
  severity            = 2
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = local.tags

  criteria {
    metric_namespace = local.kind
    metric_name      = "RequestLatency"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = var.alarm_latency_ms
  }

  action {
    action_group_id = azurerm_monitor_action_group.alarms.id
  }
}

# By the log: a metric that has no points raises no alarm.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "idle" {
  for_each             = local.watched
  name                 = "${local.prefix}-${each.key}-idle"
  description          = "${each.key}: nobody asked it anything for ${var.idle_hours} hours. If it is forgotten: `python -m tridock.deploy delete --target azure --live`, and take it out of `released`."
  resource_group_name  = azurerm_resource_group.this.name
  location             = azurerm_resource_group.this.location
  scopes               = [azurerm_log_analytics_workspace.this.id]
  severity             = 3
  evaluation_frequency = "PT1H"
  window_duration      = local.windows[tostring(var.idle_hours)]
  tags                 = local.tags

  criteria {
    query                   = "AmlOnlineEndpointTrafficLog | where EndpointName == '${each.key}'"
    time_aggregation_method = "Count"
    operator                = "LessThan"
    threshold               = 1
  }

  action {
    action_groups = [azurerm_monitor_action_group.alarms.id]
  }
}

resource "azurerm_monitor_diagnostic_setting" "endpoint" {
  for_each                   = local.watched
  name                       = "logs"
  target_resource_id         = each.value
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  dynamic "enabled_log" {
    for_each = ["AmlOnlineEndpointConsoleLog", "AmlOnlineEndpointEventLog", "AmlOnlineEndpointTrafficLog"]

    content {
      category = enabled_log.value
    }
  }
}
