# The first block has the same names in terraform/aws and terraform/gcp.

variable "name" {
  description = "Prefix of every name this module makes."
  type        = string
  default     = "tridock"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,10}$", var.name))
    error_message = "name must be 2 to 11 of a-z and 0-9 and start with a letter: it becomes part of a storage account's name."
  }
}

variable "environment" {
  description = "Stage, part of every name: dev, staging or prod."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod."
  }
}

variable "region" {
  description = "Region of everything here and of the endpoints."
  type        = string
  default     = "eastus2"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.region))
    error_message = "region must be an Azure region as the API spells it, such as eastus2 or westeurope."
  }
}

variable "endpoints" {
  description = "Names of the endpoints that will be released: what the deployer may touch and the alarms watch."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.endpoints) > 0 && alltrue([for each in var.endpoints : can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", each))])
    error_message = "endpoints must name at least one endpoint, each 1 to 32 of a-z, 0-9 and -: the `endpoint` of your release.toml."
  }
}

variable "released" {
  description = "Those of `endpoints` that were released already: Azure takes alarms and log settings of these alone."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setsubtract(var.released, var.endpoints)) == 0
    error_message = "released must name some of endpoints: add it there first."
  }
}

variable "artifact_retention_days" {
  description = "Days that replaced or deleted versions of an artifact are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.artifact_retention_days >= 1 && var.artifact_retention_days <= 365
    error_message = "artifact_retention_days must be 1 to 365: the longest soft delete of blobs."
  }
}

variable "log_retention_days" {
  description = "Days that the endpoints' logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730
    error_message = "log_retention_days must be 30 to 730: what a Log Analytics workspace takes."
  }
}

variable "image_tag" {
  description = "Tag of the model server's image in the registry that releases run."
  type        = string
  default     = "1"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be one tag, and not latest: tags here never move, so that a release can be told again."
  }
}

variable "private_networking" {
  description = "Reach workspace, storage, keys and registry by private endpoints only, and keep the endpoints' containers off the internet."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_email" {
  description = "Address that alarms and budget warnings go to; null sends none."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address, or null."
  }
}

variable "alarm_latency_ms" {
  description = "Alarm when the model's mean latency stays above this for 3 of 5 minutes, in milliseconds."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.alarm_latency_ms > 0
    error_message = "alarm_latency_ms must be above zero."
  }
}

variable "idle_hours" {
  description = "Alarm when an endpoint that runs got no request for this many hours: the forgotten one that costs money."
  type        = number
  default     = 24
  nullable    = false

  validation {
    condition     = contains([1, 6, 12, 24], var.idle_hours)
    error_message = "idle_hours must be 1, 6, 12 or 24: the windows of a metric alert."
  }
}

variable "monthly_budget" {
  description = "US dollars a month for what carries this module's tags; warns at 80 % and when the forecast passes it."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget must be above zero (US dollars a month)."
  }
}

variable "deployer" {
  description = "Who may release, by OpenID Connect: the issuer's URL and the subject it must state; null makes no deployer."
  type = object({
    issuer   = optional(string, "https://token.actions.githubusercontent.com")
    audience = optional(string, "api://AzureADTokenExchange")
    subject  = string
  })
  default = null

  validation {
    condition     = var.deployer == null || can(regex("^https://[^/]+(/.*)?$", var.deployer.issuer))
    error_message = "deployer.issuer must be an https URL, such as https://token.actions.githubusercontent.com."
  }

  validation {
    condition     = var.deployer == null || (length(try(var.deployer.subject, "")) > 0 && !can(regex("^\\*|^repo:\\*", try(var.deployer.subject, "*"))))
    error_message = "deployer.subject must name who may release, such as repo:acme/models:ref:refs/heads/main: a leading * would let anybody in."
  }
}

variable "subscription_id" {
  description = "Subscription that everything is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id must be a lower-case UUID: `az account show --query id -o tsv` prints it."
  }
}

variable "suffix" {
  description = "3 to 6 of a-z and 0-9 that make the names of storage account, key vault and registry unique in all of Azure."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{3,6}$", var.suffix))
    error_message = "suffix must be 3 to 6 of a-z and 0-9."
  }
}

variable "tags" {
  description = "Tags for everything, beside the module's own."
  type        = map(string)
  default     = {}
  nullable    = false
}
