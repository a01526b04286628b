# Errors of the model, its latency, and nobody asking it anything: on every Vertex AI endpoint of the project.
# Endpoints are made by releases and named by number, so the policies group by endpoint instead of naming them.

locals {
  online   = "resource.type = \"aiplatform.googleapis.com/Endpoint\" AND metric.type = \"aiplatform.googleapis.com/prediction/online"
  channels = google_monitoring_notification_channel.email[*].id
}

resource "google_logging_project_bucket_config" "default" {
  project        = var.project
  location       = "global"
  bucket_id      = "_Default"
  retention_days = var.log_retention_days
}

resource "google_logging_metric" "server_errors" {
  name        = "${local.prefix}-server-errors"
  description = "Lines of severity ERROR that model servers wrote"
  filter      = "resource.type=\"aiplatform.googleapis.com/Endpoint\" AND severity>=ERROR"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_notification_channel" "email" {
  count        = var.alarm_email == null ? 0 : 1
  display_name = "${local.prefix}: ${var.alarm_email}"
  type         = "email"
  labels       = { email_address = var.alarm_email }
}

resource "google_monitoring_alert_policy" "errors" {
  display_name          = "${local.prefix}: the model server answered 5xx"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "5xx in 2 of the last minutes"

    condition_threshold {
      filter          = "${local.online}/error_count\" AND metric.labels.response_code >= 500"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "120s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.endpoint_id"]
      }
    }
  }

  documentation {
    content = "`python -m tridock.deploy rollback --target gcp --live` goes back to the release before."
  }
}

resource "google_monitoring_alert_policy" "latency" {
  display_name          = "${local.prefix}: p95 latency above ${var.alarm_latency_ms} ms"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "p95 of the last 3 minutes"

    condition_threshold {
      filter          = "${local.online}/prediction_latencies\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.alarm_latency_ms
      duration        = "180s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_PERCENTILE_95"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.label.endpoint_id"]
      }
    }
  }
}

resource "google_monitoring_alert_policy" "idle" {
  display_name          = "${local.prefix}: an endpoint runs and nobody asks it anything"
  combiner              = "AND"
  notification_channels = local.channels

  conditions {
    display_name = "has replicas"

    condition_threshold {
      filter          = "${local.online}/replicas\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "${var.idle_hours * 3600}s"

      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_MEAN"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.endpoint_id"]
      }
    }
  }

  conditions {
    display_name = "has no requests"

    condition_threshold {
      filter                  = "${local.online}/prediction_count\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "${var.idle_hours * 3600}s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.endpoint_id"]
      }
    }
  }

  documentation {
    content = "If it is forgotten: `python -m tridock.deploy delete --target gcp --live`."
  }
}
