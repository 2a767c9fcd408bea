"""Fuzzes Authorization and WWW-Authenticate values.

`python -m tests.fuzz.atheris_digest [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("digest", "pbx.sip")
