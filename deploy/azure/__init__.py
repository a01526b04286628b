"""Azure as a target: Azure Machine Learning, Container Apps, or Container Instances."""

from __future__ import annotations

from tridock.deploy.target.plugins import Cloud, Prices, Setting

# What a machine costs per hour.

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


SETTINGS = {
    "service": Setting("azure-ml", "what runs the model: azure-ml, container-apps or aci"),
    "subscription": Setting("", "subscription of the workspace", account=True),
    "group": Setting("", "resource group of the workspace", account=True),
    "workspace": Setting("", "Machine Learning workspace, which Terraform makes", account=True),
    "environment": Setting("tridock", "managed environment of the group, for container-apps"),
    "identity": Setting(
        "",
        "id of the identity that containers run as; by default the endpoint's own",
        account=True,
        runs=True,
    ),
    "collect": Setting(
        "0",
        "percent of answers kept in the workspace's storage for compare, by azure-ml alone",
        runs=True,
    ),
    "image": Setting(
        "", "the model server's image in a registry it may pull from", account=True, runs=True
    ),
    "instance": Setting("Standard_DS3_v2", "machine size", runs=True),
    "count": Setting("1", "number of machines of each deployment"),
}

CLOUD = Cloud(
    settings=SETTINGS,
    services={
        "azure-ml": "tridock.deploy.azure.target:AzureTarget",
        "container-apps": "tridock.deploy.azure.container_apps:ContainerAppsTarget",
        "aci": "tridock.deploy.azure.instances:InstancesTarget",
    },
    provision="tridock.deploy.azure.account:provision",
    ambient=("AZURE_", "AZUREML_", "ARM_", "IDENTITY_", "MSI_", "IMDS_"),
    prices=PRICES,
    required=("subscription", "group", "workspace", "image"),
)
