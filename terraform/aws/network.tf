# With private_networking: two subnets, no gateway, and a door for each service a container needs.

locals {
  private = var.private_networking ? 1 : 0
  doors   = var.private_networking ? toset(["ecr.api", "ecr.dkr", "kms", "logs", "monitoring", "sagemaker.runtime", "sts"]) : toset([])
}

data "aws_availability_zones" "this" {
  count = local.private
  state = "available"
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:nothing routes in or out; the endpoints' own requests are in CloudWatch
  count                = local.private
  cidr_block           = "10.20.0.0/24"
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = local.prefix }
}

resource "aws_default_security_group" "this" {
  count  = local.private
  vpc_id = aws_vpc.this[0].id
}

resource "aws_subnet" "this" {
  count             = 2 * local.private
  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(aws_vpc.this[0].cidr_block, 2, count.index)
  availability_zone = data.aws_availability_zones.this[0].names[count.index]

  tags = { Name = "${local.prefix}-${count.index}" }
}

resource "aws_route_table" "this" {
  count  = local.private
  vpc_id = aws_vpc.this[0].id
  route  = []
}

resource "aws_route_table_association" "this" {
  count          = 2 * local.private
  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

resource "aws_security_group" "containers" {
  # checkov:skip=CKV2_AWS_5:the deployer gives it to the endpoints' models
  count       = local.private
  name        = "${local.prefix}-containers"
  description = "Model servers: HTTPS to the services' doors, nothing in"
  vpc_id      = aws_vpc.this[0].id
}

resource "aws_vpc_security_group_egress_rule" "containers" {
  count             = local.private
  description       = "HTTPS to the doors"
  security_group_id = aws_security_group.containers[0].id
  cidr_ipv4         = aws_vpc.this[0].cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count             = local.private
  description       = "HTTPS to S3, whose door is a route"
  security_group_id = aws_security_group.containers[0].id
  prefix_list_id    = aws_vpc_endpoint.s3[0].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_security_group" "doors" {
  count       = local.private
  name        = "${local.prefix}-doors"
  description = "Interface endpoints: HTTPS from the model servers"
  vpc_id      = aws_vpc.this[0].id
}

resource "aws_vpc_security_group_ingress_rule" "doors" {
  count                        = local.private
  description                  = "HTTPS from the model servers"
  security_group_id            = aws_security_group.doors[0].id
  referenced_security_group_id = aws_security_group.containers[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_endpoint" "s3" {
  count             = local.private
  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.this[0].id]
}

resource "aws_vpc_endpoint" "doors" {
  for_each            = local.doors
  vpc_id              = aws_vpc.this[0].id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = aws_subnet.this[*].id
  security_group_ids  = [aws_security_group.doors[0].id]
}
