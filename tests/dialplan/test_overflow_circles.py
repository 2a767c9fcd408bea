"""Queues that overflow into each other are found, with a call that would go round."""

import pytest

from tests.dialplan.calls import problems

QUEUE_CIRCLES = {
    "two queues overflow into each other": (
        (
            "queues:\n"
            "  q: {agents: ['1001'], on: {timeout: {goto: b}}}\n"
            "  r: {agents: ['1001'], on: {full: {goto: a}}}\n"
            "chains:\n  a: [{queue: q}]\n  b: [{queue: r}]\n"
        ),
        (
            "d.yaml:4:43: on full, this leads back to a queue that the caller has waited in (q → r → q), "
            "for example for a call to +15550100 from 1000: lead it to what ends"
        ),
    ),
    "by their steps, over announcements and other chains": (
        (
            "queues: {q: {agents: ['1001']}, r: {agents: ['1001']}, s: {agents: ['1001']}}\n"
            "chains:\n"
            "  a:\n    - {queue: q, on: {timeout: {goto: b}}}\n"
            "  b:\n    - {play: sorry}\n    - {goto: c}\n"
            "  c:\n    - {queue: r, on: {closed: {queue: s, on: {left: {goto: a}}}}}\n"
        ),
        "d.yaml:10:60: on left, this leads back to a queue that the caller has waited in (q → r → s → q)",
    ),
    "a queue with itself": (
        "queues:\n  q: {agents: ['1001'], on: {timeout: {goto: a}}}\nchains: {a: [play: sorry, queue: q]}\n",
        "d.yaml:3:46: on timeout, this leads back to a queue that the caller has waited in (q → q)",
    ),
    "only with a number": (
        (
            "queues: {q: {agents: ['1001'], on: {timeout: {goto: a}}}}\n"
            "chains:\n  a:\n    - routing: [{to: 55X, queue: q}, {echo: {}}]\n"
        ),
        "for example for a call to 555 from 1000",
    ),
}


@pytest.mark.parametrize(("text", "problem"), QUEUE_CIRCLES.values(), ids=QUEUE_CIRCLES)
def test_queues_that_overflow_in_circles_are_found_with_a_witness(text: str, problem: str) -> None:
    found = problems(f"entry: [{{from: anyone, chain: a}}]\n{text}")
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    "chains",
    [
        # The number is another one by the time, and is not led to the queue again.
        "  a:\n    - routing: [{to: 5., strip: 1, queue: q, on: {timeout: {goto: a}}}, {reject: 404}]\n",
        # A caller who is asked decides to wait on.
        (
            "  a:\n    - {queue: q, on: {timeout: {goto: b}}}\n"
            "  b:\n    - menu: {prompt: wait, choices: {1: {goto: a}}}\n"
        ),
        (
            "  a:\n    - {queue: q, on: {timeout: {goto: b}}}\n"
            "  b:\n    - {queue: r, on: {timeout: {goto: c}}}\n"
            "  c: [{reject: 480}]\n"
        ),
        # Twice in the same queue, and no more.
        "  a:\n    - {queue: q, on: {timeout: {queue: r, on: {timeout: {queue: q}}}}}\n",
    ],
)
def test_queues_that_overflow_to_an_end_are_no_problem(chains: str) -> None:
    queues = "queues: {q: {agents: ['1001']}, r: {agents: ['1001']}}\n"
    assert problems(f"entry: [{{from: anyone, chain: a}}]\n{queues}chains:\n{chains}") == []
