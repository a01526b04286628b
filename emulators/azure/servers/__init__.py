"""MODEL SERVERS of deployments: specifications, assets, rollouts. Serves ml, batch and apps."""
