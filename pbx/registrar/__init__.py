"""Who is reachable where: the registrar and its bindings (RFC 3261 §10)."""

from pbx.registrar.binding import (
    Binding,
    BindingAdded,
    BindingEvent,
    BindingRefreshed,
    BindingRemoved,
    BindingStorage,
    RegisterReply,
    RegistrarLimits,
)
from pbx.registrar.registrar import SUPPORTED, Registrar

__all__ = [
    "SUPPORTED",
    "Binding",
    "BindingAdded",
    "BindingEvent",
    "BindingRefreshed",
    "BindingRemoved",
    "BindingStorage",
    "RegisterReply",
    "Registrar",
    "RegistrarLimits",
]
