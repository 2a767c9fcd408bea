"""Fuzzes session descriptions.

`python -m tests.fuzz.atheris_sdp [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("sdp", "pbx.sdp")
