"""Fuzzes RTCP compound packets.

`python -m tests.fuzz.atheris_rtcp [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("rtcp", "pbx.rtp")
