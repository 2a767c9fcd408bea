"""What a dialplan says about queues, as the queues' own settings; the one place that knows both."""

from collections.abc import Iterable, Mapping

from pbx.dialplan.queues import AgentShape, QueuePlan
from pbx.queues import AgentSettings, Member, QueueSettings, Strategy

_USER = "user/"
_OUTSIDE = ("trunk/", "sip:", "sips:")

# A dialplan may say that an agent who did not answer is rung again at once; no shorter than this.
_SHORTEST_RETRY_S = 0.1


def agent_name(target: str) -> str:
    """The agent that a target stands for: a user by name ("1001"), anything else by the target itself."""
    return target.removeprefix(_USER)


def target_of(agent: str) -> str:
    """The target to ring for an agent."""
    return agent if agent.startswith(_OUTSIDE) else f"{_USER}{agent}"


def queue_settings(plan: QueuePlan) -> QueueSettings:
    """The settings of one queue."""
    shape = plan.shape
    told = shape.announcements
    return QueueSettings(
        plan.name,
        tuple(
            _member(agent_name(target), each) for target, each in zip(plan.agents, shape.agents, strict=True)
        ),
        strategy=shape.strategy,
        capacity=shape.capacity,
        max_wait_s=None if shape.max_wait is None else max(shape.max_wait, 0.001),
        wrap_up_s=shape.wrap_up,
        ring_s=shape.ring,
        retry_s=max(shape.retry, _SHORTEST_RETRY_S),
        max_no_answer=shape.max_no_answer,
        ageing_s=shape.ageing or None,
        priority=shape.priority,
        weight=shape.weight,
        needs=shape.needs,
        relax_needs_after_s=shape.relax_needs_after,
        refuse_when=frozenset(shape.refuse_when),
        leave_when=frozenset(shape.leave_when),
        music=shape.music,
        announce_every_s=told.every if told is not None and (told.position or told.wait) else None,
        announce_first_s=0.0 if told is None else told.first,
        announce_position=told is not None and told.position,
        announce_wait=told is not None and told.wait,
        prompts=() if told is None else tuple(told.sounds or ()),
        prompt_every_s=60.0 if told is None else told.sounds_every,
        whisper=shape.whisper or None,
        exit_digit=shape.leave or None,
        direct=shape.direct,
        service_level_s=shape.service_level,
    )


def plugin_strategies(plans: Iterable[QueuePlan]) -> Mapping[str, Strategy]:
    """The strategies of plugins that the queues name."""
    return {plan.shape.strategy: plan.strategy for plan in plans if plan.strategy is not None}


def agent_settings(plans: Iterable[QueuePlan]) -> Mapping[str, AgentSettings]:
    """What holds for each agent in all queues: what is said where the agent is named first with something."""
    settings: dict[str, AgentSettings] = {}
    for plan in plans:
        for target, each in zip(plan.agents, plan.shape.agents, strict=True):
            if isinstance(each, AgentShape) and each.model_fields_set & _OF_AGENTS:
                settings.setdefault(
                    agent_name(target),
                    AgentSettings(each.max_calls, None, each.logged_in, each.auto_answer),
                )
    return settings


_OF_AGENTS = frozenset({"max_calls", "auto_answer", "logged_in"})


def _member(agent: str, said: object) -> Member:
    return Member(agent, said.penalty, said.skills) if isinstance(said, AgentShape) else Member(agent)
