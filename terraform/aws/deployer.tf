# Who releases: a role that an OpenID Connect subject may take, with the calls of deploy/aws and no other.
# tests/terraform/slow/test_least_privilege.py runs releases under this policy, and without each of its actions.

resource "aws_iam_openid_connect_provider" "deployer" {
  count          = var.deployer == null ? 0 : 1
  url            = var.deployer.issuer
  client_id_list = [var.deployer.audience]
}

data "aws_iam_policy_document" "deployer_trust" {
  count = var.deployer == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.deployer[0].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [var.deployer.audience]
    }

    condition {
      test     = "StringLike"
      variable = "${local.issuer}:sub"
      values   = [var.deployer.subject]
    }
  }
}

resource "aws_iam_role" "deployer" {
  count                = var.deployer == null ? 0 : 1
  name                 = "${local.prefix}-deployer"
  description          = "Releases bundles to the endpoints of ${local.prefix}"
  assume_role_policy   = data.aws_iam_policy_document.deployer_trust[0].json
  max_session_duration = 3600
}

resource "aws_iam_policy" "deployer" {
  name        = "${local.prefix}-deployer"
  description = "The calls of a release, a rollback and a deletion"
  policy      = data.aws_iam_policy_document.deployer.json
}

resource "aws_iam_role_policy_attachment" "deployer" {
  count      = var.deployer == null ? 0 : 1
  role       = aws_iam_role.deployer[0].name
  policy_arn = aws_iam_policy.deployer.arn
}

locals {
  issuer = var.deployer == null ? "" : trimprefix(var.deployer.issuer, "https://")

  versions = ["${local.sagemaker}:model-package-group/*", "${local.sagemaker}:model-package/*"]

  # The deployer names everything of an endpoint after it (deploy/aws/names.py).
  owned = {
    endpoints = [for each in sort(var.endpoints) : "${local.sagemaker}:endpoint/${each}"]
    configs   = [for each in sort(var.endpoints) : "${local.sagemaker}:endpoint-config/${each}--*"]
    models    = [for each in sort(var.endpoints) : "${local.sagemaker}:model/${each}--*"]
    # Application Auto Scaling names the alarms of target tracking after what it scales.
    alarms = [
      for each in sort(var.endpoints) :
      "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:TargetTracking-endpoint/${each}/variant/*"
    ]
  }
}

data "aws_iam_policy_document" "deployer" {
  # checkov:skip=CKV_AWS_356:five lists and the metrics know no resource, and show names only
  statement {
    sid = "FindWhatStands" # knows no resource
    actions = [
      "sagemaker:ListEndpointConfigs",
      "sagemaker:ListEndpoints",
      "sagemaker:ListModelPackageGroups",
      "sagemaker:ListModels",
    ]
    resources = ["*"]
  }

  statement {
    sid = "KeepVersions" # of any model: they are not named after endpoints, and none is deleted
    actions = [
      "sagemaker:CreateModelPackage",
      "sagemaker:CreateModelPackageGroup",
      "sagemaker:DescribeModelPackage",
      "sagemaker:DescribeModelPackageGroup",
      "sagemaker:ListModelPackages",
      "sagemaker:UpdateModelPackage",
    ]
    resources = local.versions
  }

  statement {
    sid = "ServeModels"
    actions = [
      "sagemaker:DeleteEndpoint",
      "sagemaker:DescribeEndpoint",
      "sagemaker:InvokeEndpoint",
      "sagemaker:UpdateEndpointWeightsAndCapacities",
    ]
    resources = local.owned.endpoints
  }

  statement {
    sid       = "ChangeEndpoints" # both name an endpoint and its configuration
    actions   = ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"]
    resources = concat(local.owned.endpoints, local.owned.configs)
  }

  statement {
    sid       = "ConfigureEndpoints"
    actions   = ["sagemaker:CreateEndpointConfig", "sagemaker:DeleteEndpointConfig"]
    resources = local.owned.configs
  }

  statement {
    sid       = "KeepModels"
    actions   = ["sagemaker:CreateModel", "sagemaker:DeleteModel", "sagemaker:DescribeModel"]
    resources = local.owned.models
  }

  statement {
    sid       = "TagWhatIsMade"
    actions   = ["sagemaker:AddTags"]
    resources = concat(local.owned.endpoints, local.owned.configs, local.owned.models, local.versions)
  }

  statement {
    sid       = "TellOursFromOthers" # by its tags: the list of endpoints shows everybody's
    actions   = ["sagemaker:ListTags"]
    resources = concat(["${local.sagemaker}:endpoint/*"], local.owned.configs, local.owned.models, local.versions)
  }

  statement {
    sid       = "SeeWhoElseRunsAModel" # a sweep leaves what somebody else's configuration names
    actions   = ["sagemaker:DescribeEndpointConfig"]
    resources = ["${local.sagemaker}:endpoint-config/*"]
  }

  statement {
    sid       = "FindScaling" # knows no resource
    actions   = ["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"]
    resources = ["*"]
  }

  statement {
    sid = "ScaleVariants" # a scalable target's name is a random number: the kind is what can be held
    actions = [
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget",
    ]
    resources = ["arn:${local.partition}:application-autoscaling:${var.region}:${local.account}:scalable-target/*"]

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:service-namespace"
      values   = ["sagemaker"]
    }

    condition {
      test     = "StringEquals"
      variable = "application-autoscaling:scalable-dimension"
      values   = ["sagemaker:variant:DesiredInstanceCount"]
    }
  }

  statement {
    sid       = "KeepScalingAlarms" # Application Auto Scaling keeps them in the caller's name
    actions   = ["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"]
    resources = local.owned.alarms
  }

  statement {
    sid     = "LetAutoScalingChangeEndpoints" # once for an account, by the first release that scales
    actions = ["iam:CreateServiceLinkedRole"]
    resources = [
      "arn:${local.partition}:iam::${local.account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["sagemaker.application-autoscaling.amazonaws.com"]
    }
  }

  statement {
    sid       = "LetModelsRunAsTheServer"
    actions   = ["iam:PassRole"]
    resources = [local.server_role]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid     = "KeepBundles"
    actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = [
      "arn:${local.partition}:s3:::${aws_s3_bucket.artifacts.bucket}/bundles/*",
      "arn:${local.partition}:s3:::${aws_s3_bucket.artifacts.bucket}/models/*",
      "arn:${local.partition}:s3:::${aws_s3_bucket.artifacts.bucket}/notes/*",
    ]
  }

  statement {
    sid       = "ReadCapturedAnswers" # SageMaker writes them as the server
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${aws_s3_bucket.artifacts.bucket}/capture/*"]
  }

  statement {
    sid       = "FindBundles"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${aws_s3_bucket.artifacts.bucket}"]
  }

  statement {
    sid       = "EncryptBundles"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }

  statement {
    sid       = "ReadMetrics" # knows no resource
    actions   = ["cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  statement {
    sid     = "ReadLogs"
    actions = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = [
      for each in sort(var.endpoints) :
      "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/sagemaker/Endpoints/${each}:*"
    ]
  }
}
