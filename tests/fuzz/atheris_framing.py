"""Fuzzes streams of SIP messages.

`python -m tests.fuzz.atheris_framing [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("framing", "pbx.sip")
