"""The service: the only place that constructs the machines and edges and wires them to each other."""
