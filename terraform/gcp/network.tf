# With private_networking: a network without a route to the internet, and one address for all of Google's APIs.
# «Access Google APIs through endpoints», Private Service Connect.

locals {
  private = var.private_networking ? 1 : 0
  apis    = "10.30.0.2" # outside of the subnet, as the API demands
  zones = {
    apis     = { domain = "googleapis.com.", names = ["googleapis.com.", "*.googleapis.com."] }
    registry = { domain = "pkg.dev.", names = ["pkg.dev.", "*.pkg.dev."] }
  }
  records = var.private_networking ? merge([
    for key, zone in local.zones : { for name in zone.names : name => key }
  ]...) : {}
}

resource "google_compute_network" "this" {
  count                           = local.private
  name                            = local.prefix
  auto_create_subnetworks         = false
  delete_default_routes_on_create = true

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "this" {
  # checkov:skip=CKV_GCP_76:the network has no IPv6
  count                    = local.private
  name                     = local.prefix
  network                  = google_compute_network.this[0].id
  region                   = var.region
  ip_cidr_range            = "10.20.0.0/24"
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "nothing_out" {
  count     = local.private
  name      = "${local.prefix}-nothing-out"
  network   = google_compute_network.this[0].id
  direction = "EGRESS"
  priority  = 65000

  deny {
    protocol = "all"
  }
}

resource "google_compute_firewall" "apis_out" {
  count              = local.private
  name               = "${local.prefix}-apis-out"
  network            = google_compute_network.this[0].id
  direction          = "EGRESS"
  destination_ranges = ["${local.apis}/32"]

  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
}

resource "google_compute_global_address" "apis" {
  count        = local.private
  name         = "${local.prefix}-apis"
  purpose      = "PRIVATE_SERVICE_CONNECT"
  address_type = "INTERNAL"
  address      = local.apis
  network      = google_compute_network.this[0].id
}

resource "google_compute_global_forwarding_rule" "apis" {
  count                 = local.private
  name                  = substr(replace("${local.prefix}apis", "-", ""), 0, 20) # the API's limit here
  target                = "all-apis"
  network               = google_compute_network.this[0].id
  ip_address            = google_compute_global_address.apis[0].id
  load_balancing_scheme = ""
}

resource "google_dns_managed_zone" "this" {
  for_each   = var.private_networking ? local.zones : {}
  name       = "${local.prefix}-${each.key}"
  dns_name   = each.value.domain
  visibility = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.this[0].id
    }
  }
}

resource "google_dns_record_set" "this" {
  for_each     = local.records
  managed_zone = google_dns_managed_zone.this[each.value].name
  name         = each.key
  type         = "A"
  ttl          = 300
  rrdatas      = [local.apis]
}
