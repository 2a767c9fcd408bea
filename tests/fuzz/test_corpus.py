"""What the fuzzers have kept goes through their targets, without atheris; so do bytes of any kind."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_kept(name: str) -> None:
    kept = sorted((CORPUS / name).iterdir())
    assert kept, "a harness without seeds begins with nothing"
    for one in kept:
        TARGETS[name](one.read_bytes())


@given(name=st.sampled_from(sorted(TARGETS)), data=st.binary(max_size=200))
@settings(max_examples=500)
def test_anything(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_every_target_has_a_harness_and_a_corpus() -> None:
    harnesses = {path.stem.removeprefix("atheris_") for path in Path(__file__).parent.glob("atheris_*.py")}
    assert harnesses == set(TARGETS) == {path.name for path in CORPUS.iterdir()}


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 400_000


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is not installed: no wheel for this machine"
)
def test_a_harness_runs() -> None:
    command = [sys.executable, "-m", "tests.fuzz.atheris_rtp", "-runs=2000", "-verbosity=0"]
    finished = subprocess.run(
        command, cwd=Path(__file__).parents[2], check=False, capture_output=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr.decode()
