"""Metrics for Prometheus, on a registry of their own."""

from pbx.metrics.metrics import Metrics

__all__ = ["Metrics"]
