"""The HTTP API and the control socket."""
