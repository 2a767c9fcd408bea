"""The edge to the network: sockets, connections and the one timer that drives the machines."""
