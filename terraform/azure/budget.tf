resource "azurerm_consumption_budget_resource_group" "this" {
  name              = local.prefix
  resource_group_id = azurerm_resource_group.this.id
  amount            = var.monthly_budget
  time_grain        = "Monthly"

  # Azure takes a first day of the month, and none before this month.
  time_period {
    start_date = "${formatdate("YYYY-MM", plantimestamp())}-01T00:00:00Z"
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 80
    threshold_type = "Actual"
    contact_groups = [azurerm_monitor_action_group.alarms.id]
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_groups = [azurerm_monitor_action_group.alarms.id]
  }

  lifecycle {
    ignore_changes = [time_period]
  }
}
