"""The service's configuration, pbx.yaml: its shape, its secrets, and the one written at first start."""

from pbx.config.settings import Settings

__all__ = ["Settings"]
