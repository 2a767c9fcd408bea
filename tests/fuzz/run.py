"""Fuzzes the parsers for a while: `python -m tests.fuzz.run --minutes 10 [NAME…]`.

Each harness runs in a process of its own under a memory limit and starts from `corpus/NAME`. Findings are
written to `findings/NAME-…` in the current directory, and make the exit status 1. `--keep` adds to the
corpus what reached new code, as few and as short as libFuzzer can make them.
"""

import argparse
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
# Longer inputs find nothing that shorter ones do not, and are slow; bounds have tests of their own.
MAX_OCTETS = 4096
KEPT_OCTETS = 1024
KEPT_FILES = 100


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.fuzz.atheris_{name}", f"-max_len={MAX_OCTETS}", *arguments]


def fuzz(name: str, seconds: int, keep: bool) -> bool:
    """Run one harness; whether it found nothing."""
    seeds = CORPUS / name
    findings = Path("findings")
    findings.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        status = subprocess.run(
            command(
                name,
                f"-max_total_time={seconds}",
                "-timeout=10",
                "-verbosity=0",
                "-print_final_stats=1",
                f"-artifact_prefix={findings}/{name}-",
                grown,
                str(seeds),
            ),
            check=False,
            timeout=seconds + 300,
        ).returncode
        if keep and status == 0:
            merge(name, Path(grown))
    return status == 0


def merge(name: str, grown: Path) -> None:
    """Replace the kept corpus, seeds aside, by the least that reaches as much: the shortest of it."""
    kept = CORPUS / name
    with tempfile.TemporaryDirectory() as least:
        subprocess.run(
            command(name, "-merge=1", f"-max_len={KEPT_OCTETS}", least, str(kept), str(grown)),
            check=True,
            timeout=600,
        )
        seeds = {seed.read_bytes() for seed in kept.glob("seed-*")}
        found = sorted((new.read_bytes() for new in Path(least).iterdir()), key=len)
    for old in kept.glob("found-*"):
        old.unlink()
    for data in [data for data in found if data not in seeds][:KEPT_FILES]:
        (kept / f"found-{sha256(data).hexdigest()[:12]}").write_bytes(data)


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}; all if none")
    options.add_argument("--minutes", type=float, default=1.0, help="for each of them")
    options.add_argument("--keep", action="store_true", help="merge what was found into the corpus")
    chosen = options.parse_args()
    unknown = set(chosen.names) - set(TARGETS)
    if unknown:
        options.error(f"there is no {', '.join(sorted(unknown))}")
    seconds = max(1, int(chosen.minutes * 60))
    failed = [name for name in chosen.names or TARGETS if not fuzz(name, seconds, chosen.keep)]
    sys.stdout.write(f"findings in {', '.join(failed)}\n" if failed else "nothing was found\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
