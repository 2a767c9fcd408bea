"""What a dialplan says about queues is what the queues are told."""

from pathlib import Path

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation
from pbx.dialplan.queue_settings import agent_name, agent_settings, queue_settings, target_of
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.queues import AgentSettings, Member, Queues, QueueSettings


def compiled(queues: str) -> Generation:
    text = f"entry: [{{from: anyone, chain: a}}]\nchains: {{a: [queue: q]}}\nqueues: {{{queues}}}\n"
    known = KnownNames(frozenset({"1001", "1002"}), frozenset({"carrier"}))
    return compile_dialplan(loads(text, "d.yaml"), known, 1, Path())


def settings(queue: str) -> QueueSettings:
    return queue_settings(compiled(f"q: {queue}").queues["q"])


def test_what_is_not_said_is_as_the_queues_have_it() -> None:
    members = (Member("1001"), Member("1002"))
    made = settings("{agents: ['1001', user/1002]}")
    assert made == QueueSettings("q", members, announce_first_s=0.0, announce_position=False,
                                 announce_wait=False)  # fmt: skip


def test_everything_that_can_be_said() -> None:
    made = settings(
        "{strategy: skills, agents: [{agent: '1001', skills: {dutch: 50}, penalty: 2}], ring: 10s, "
        "retry: 2s, max_no_answer: 5, max_wait: 5m, wrap_up: 10s, capacity: 7, priority: -3, ageing: 30s, "
        "weight: 4, needs: {dutch: 40}, relax_needs_after: 1m, refuse_when: [all-paused], leave_when: [], "
        "announcements: {every: 45s, first: 5s, wait: false, sounds: [a, b], sounds_every: 20s}, "
        "leave: '#', direct: true, service_level: 15s}"
    )
    assert made == QueueSettings(
        "q",
        (Member("1001", 2, {"dutch": 50}),),
        strategy="skills",
        capacity=7,
        max_wait_s=300.0,
        wrap_up_s=10.0,
        ring_s=10.0,
        retry_s=2.0,
        max_no_answer=5,
        ageing_s=30.0,
        priority=-3,
        weight=4,
        needs={"dutch": 40},
        relax_needs_after_s=60.0,
        refuse_when=frozenset({"all-paused"}),
        leave_when=frozenset(),
        announce_every_s=45.0,
        announce_first_s=5.0,
        announce_wait=False,
        prompts=("a", "b"),
        prompt_every_s=20.0,
        exit_digit="#",
        direct=True,
        service_level_s=15.0,
    )


def test_the_least_that_a_file_may_ask_for_can_be_done() -> None:
    made = settings("{agents: ['1001'], ring: 1s, retry: 0s, ageing: 0s, max_wait: 1ms, wrap_up: 0s}")
    assert made.retry_s == 0.1
    assert made.ageing_s is None
    Queues([made], lambda _: 0)


def test_announcements_that_say_nothing_are_not_made() -> None:
    assert (
        settings("{agents: ['1001'], announcements: {position: false, wait: false}}").announce_every_s is None
    )


def test_an_agent_has_one_name_everywhere() -> None:
    for target, name in (
        ("user/1001", "1001"),
        ("trunk/carrier/+31201", "trunk/carrier/+31201"),
        ("sip:a@example.net", "sip:a@example.net"),
    ):
        assert agent_name(target) == name
        assert target_of(name) == target


def test_what_holds_for_an_agent_holds_in_all_queues() -> None:
    generation = compiled(
        "q: {agents: ['1001', {agent: '1002', penalty: 1}]}, "
        "r: {agents: [{agent: user/1001, max_calls: 2, auto_answer: true, logged_in: false}, '1002']}"
    )
    assert agent_settings(generation.queues.values()) == {"1001": AgentSettings(2, None, False, True)}
