"""Runs one target under atheris; the harness modules differ in the target and in what is instrumented."""

import resource
import sys
from importlib import import_module

# Octets of address space; a parser that can be made to need more has a finding.
MEMORY_LIMIT = 4 << 30


def fuzz(name: str, *instrumented: str) -> None:
    """Fuzz the target `name` with libFuzzer's own command line; does not return."""
    import atheris  # type: ignore[import-untyped]  # it has no types

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    with atheris.instrument_imports(include=list(instrumented)):
        targets = import_module("tests.fuzz.targets")
    target = targets.TARGETS[name]

    def one(data: bytes) -> None:
        target(bytes(data))

    # libFuzzer starts itself again to merge, by a shell and by this name.
    atheris.Setup([f"{sys.executable} -m tests.fuzz.atheris_{name}", *sys.argv[1:]], one)
    atheris.Fuzz()
