"""Fuzzes RTP packets and telephone-events.

`python -m tests.fuzz.atheris_rtp [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("rtp", "pbx.rtp")
