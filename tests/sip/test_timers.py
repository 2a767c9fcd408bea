"""The derived timers of RFC 3261 table 4 and RFC 6026."""

import pytest

from pbx.sip.timers import Timers


def test_defaults_are_table_4() -> None:
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4, timers.timer_c) == (0.5, 4.0, 5.0, 180.0)
    assert timers.timer_a == timers.timer_e == timers.timer_g == 0.5
    assert timers.timer_b == timers.timer_f == timers.timer_h == timers.timer_j == 32.0
    assert timers.timer_d >= 32.0
    assert timers.timer_i == timers.timer_k == 5.0
    assert timers.timer_l == timers.timer_m == 32.0


def test_everything_follows_t1() -> None:
    timers = Timers(t1=0.01, t2=0.08, t4=0.1)
    assert timers.timer_a == timers.timer_e == timers.timer_g == 0.01
    assert {timers.timer_b, timers.timer_d, timers.timer_f, timers.timer_h, timers.timer_j} == {0.64}
    assert timers.timer_l == timers.timer_m == 0.64
    assert timers.timer_i == timers.timer_k == 0.1


@pytest.mark.parametrize(
    ("t1", "t2", "t4", "timer_c"),
    [
        (0.0, 4.0, 5.0, 180.0),
        (-1.0, 4.0, 5.0, 180.0),
        (5.0, 4.0, 5.0, 180.0),
        (0.5, 4.0, -1.0, 1.0),
        (1, 4, 5, 0),
    ],
)
def test_values_that_make_no_schedule_are_refused(t1: float, t2: float, t4: float, timer_c: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Timers(t1=t1, t2=t2, t4=t4, timer_c=timer_c)
