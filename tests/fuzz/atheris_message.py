"""Fuzzes datagrams that claim to be SIP messages.

`python -m tests.fuzz.atheris_message [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("message", "pbx.sip")
