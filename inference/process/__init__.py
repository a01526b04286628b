"""THE SERVER PROCESS: socket, workers, signals, and the start of a model server as a child."""
