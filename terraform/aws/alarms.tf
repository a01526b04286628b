# Each endpoint: errors of the model, its latency, and nobody asking it anything. A release changes the
# variants' names, so the alarms ask by endpoint (CloudWatch Metrics Insights).

resource "aws_cloudwatch_log_group" "endpoint" {
  for_each          = var.endpoints
  name              = "/aws/sagemaker/Endpoints/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_sns_topic" "alarms" {
  name              = "${local.prefix}-alarms"
  kms_master_key_id = aws_kms_key.this.id
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each            = var.endpoints
  alarm_name          = "${local.prefix}-${each.key}-5xx"
  alarm_description   = "${each.key}: the model server answered 5xx. Its log group is ${aws_cloudwatch_log_group.endpoint[each.key].name}; `python -m tridock.deploy rollback --target aws --live` goes back."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "errors"
    expression  = "SELECT SUM(Invocation5XXErrors) FROM SCHEMA(\"AWS/SageMaker\", EndpointName, VariantName) WHERE EndpointName = '${each.key}'"
    period      = 60
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  for_each            = var.endpoints
  alarm_name          = "${local.prefix}-${each.key}-latency"
  alarm_description   = "${each.key}: the model's mean latency is above ${var.alarm_latency_ms} ms."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarm_latency_ms * 1000 # ModelLatency is in microseconds
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "latency"
    expression  = "SELECT AVG(ModelLatency) FROM SCHEMA(\"AWS/SageMaker\", EndpointName, VariantName) WHERE EndpointName = '${each.key}'"
    period      = 60
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  for_each            = var.endpoints
  alarm_name          = "${local.prefix}-${each.key}-idle"
  alarm_description   = "${each.key} runs and nobody asked it anything for ${var.idle_hours} hours. If it is forgotten: `python -m tridock.deploy delete --target aws --live`."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = var.idle_hours
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "idle"
    expression  = "IF(FILL(instances, 0) > 0 AND FILL(requests, 0) == 0, 1, 0)"
    label       = "runs without a request"
    return_data = true
  }

  metric_query {
    id         = "instances"
    expression = "SELECT COUNT(CPUUtilization) FROM SCHEMA(\"/aws/sagemaker/Endpoints\", EndpointName, VariantName) WHERE EndpointName = '${each.key}'"
    period     = 3600
  }

  metric_query {
    id         = "requests"
    expression = "SELECT SUM(Invocations) FROM SCHEMA(\"AWS/SageMaker\", EndpointName, VariantName) WHERE EndpointName = '${each.key}'"
    period     = 3600
  }
}
