"""Queues of callers and the agents who serve them."""

from pbx.queues.settings import (
    CONDITIONS,
    QUEUE_OUTCOMES,
    STRATEGY_NAMES,
    AgentSettings,
    Condition,
    Member,
    QueueOutcome,
    QueueSettings,
)

__all__ = [
    "CONDITIONS",
    "QUEUE_OUTCOMES",
    "STRATEGY_NAMES",
    "AgentSettings",
    "Condition",
    "Member",
    "QueueOutcome",
    "QueueSettings",
]
