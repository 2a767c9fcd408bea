"""What all tests share: none fails because the machine was slow, or stood still for a moment."""

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings

from tests.stalls import run_until_punctual

# How long an example takes, and how long it takes to think of one, is the machine's affair.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

_spoilt: list[str] = []


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """A test that failed while the machine stood still is run again.

    Any test: those that wait for a thread or another process are more than those that use the network.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports, spoilt = run_until_punctual(lambda: runtestprotocol(item, nextitem=nextitem, log=False))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    for stall_s, attempt in spoilt:
        _spoilt.append(f"{item.nodeid}: the machine stood still for {stall_s:.2f} s")
        _spoilt.extend(report.longreprtext for report in attempt if report.failed)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were run again, and what was wrong before."""
    if _spoilt:
        terminalreporter.section("run again")
        for line in _spoilt:
            terminalreporter.write_line(line)
