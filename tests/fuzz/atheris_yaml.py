"""Fuzzes documents and dialplans.

`python -m tests.fuzz.atheris_yaml [libFuzzer options] [corpus]`
"""

from tests.fuzz.harness import fuzz

if __name__ == "__main__":
    fuzz("yaml", "pbx.documents", "pbx.dialplan")
