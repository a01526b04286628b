resource "google_billing_budget" "this" {
  count           = var.billing_account == null ? 0 : 1
  billing_account = var.billing_account
  display_name    = local.prefix

  budget_filter {
    projects = ["projects/${local.number}"]
    labels   = { "tridock-name" = var.name }
  }

  amount {
    specified_amount {
      currency_code = "USD"
      units         = tostring(var.monthly_budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.8
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  dynamic "all_updates_rule" {
    for_each = google_monitoring_notification_channel.email

    content {
      monitoring_notification_channels = [all_updates_rule.value.id]
    }
  }
}
