"""Where compiled code is kept: what decides that it is compiled anew, and who does it."""

import fcntl
import threading
from pathlib import Path

from pbx.media import cache


def test_only_what_the_loop_is_compiled_from_decides() -> None:
    names = {
        source.relative_to(Path(cache.__file__).parent).as_posix() for source in cache.compiled_sources()
    }
    assert {"loop.py", "layout.py", "companding.py", "compiling.py", "tabletypes.py", "srtp.py"} <= names
    assert {f"kernels/{kernel}.py" for kernel in ("g711", "g722", "goertzel", "levels", "resample")} <= names
    assert not {"sounds.py", "recorder.py", "wav.py", "build.py", "plane.py", "phrases.py"} & names


def test_a_second_process_waits_for_the_one_that_compiles_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    waiting = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    def wait() -> None:
        with cache.compiling(tmp_path, say):
            said.append("ready")

    with (tmp_path / "compiling").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=wait)
        second.start()
        assert waiting.wait(20)
        assert said == ["another process is compiling the media loop; waiting for it"]
        # What the first leaves.
        (tmp_path / "media_0").mkdir()
        (tmp_path / "media_0" / "loop.run-1.py311.1.nbc").touch()
    second.join(20)
    assert said[1:] == ["ready"]


def test_the_one_that_compiles_says_so_and_a_filled_cache_is_silent(tmp_path: Path) -> None:
    said: list[str] = []
    with cache.compiling(tmp_path, said.append):
        (tmp_path / "loop.run-1.py311.1.nbc").touch()
    assert len(said) == 1
    assert said[0].startswith("compiling the media loop")
    with cache.compiling(tmp_path, said.append):
        assert len(said) == 1
