"""Dialplans: chains of handlers, compiled once from YAML, that turn a call into a decision and say why."""
