"""AZURE ML'S ONLINE ENDPOINTS: deployments, scoring, data collection."""
