"""THE CORE: state on disk, model servers, logs and measurements that all services share."""
