"""The PBX in memory that `benchmarks.machines` measures carries its calls, and the same ones every time."""

from benchmarks.machines import cost_ms, give, made, recorded


def test_the_messages_of_a_call_lead_to_the_same_answers_when_they_are_given_again() -> None:
    steps = recorded(3)
    answers = []
    for _ in range(2):
        house, core = made()
        answers.append([sent.data for step in steps for sent in give(house, core, step)])
        assert len(house.switch.calls) == 0
    assert answers[0] == answers[1]
    starts = [data.split(b" ", 2)[:2] for data in answers[0][:8]]
    assert [start[1] if start[0] == b"SIP/2.0" else start[0] for start in starts] == [
        b"100", b"INVITE", b"180", b"ACK", b"200", b"200", b"BYE", b"100",
    ]  # fmt: skip


def test_a_cost_is_charged_to_the_calls_after_the_warming() -> None:
    assert cost_ms(recorded(2), 1) > 0
