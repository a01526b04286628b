"""What a machine costs per hour."""

from __future__ import annotations

from tridock.deploy.target.plugin import Prices

#: Managed online endpoints cost what their virtual machines do. Other regions differ.
PRICES = Prices(
    {
        "Standard_DS2_v2": 0.114,
        "Standard_DS3_v2": 0.229,
        "Standard_DS4_v2": 0.458,
        "Standard_F2s_v2": 0.085,
        "Standard_F4s_v2": 0.169,
        "Standard_F8s_v2": 0.338,
        "Standard_E2s_v3": 0.126,
        "Standard_E4s_v3": 0.252,
        "Standard_NC4as_T4_v3": 0.526,
    },
    source="an estimate of November 2026 that was not compared with the price list, which is: "
    "Azure Linux virtual machines pricing, East US, pay as you go",
)
