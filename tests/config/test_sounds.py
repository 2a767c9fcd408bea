"""Which sounds there are: files below the directory, and what is built in."""

from pathlib import Path

import pytest

from pbx.config import Settings, sounds
from pbx.config.sounds import known_sounds


def test_files_are_sounds(tmp_path: Path) -> None:
    (tmp_path / "menus").mkdir()
    for name in ("closed.wav", "menus/welcome.wav", "menus/readme.txt", "v1.2.wav"):
        (tmp_path / name).touch()
    assert known_sounds(tmp_path) == frozenset({"closed", "menus/welcome", "v1.2"})
    assert known_sounds(tmp_path, frozenset({"beep"})) == frozenset(
        {"closed", "menus/welcome", "v1.2", "beep"}
    )


def test_without_a_directory_nothing_is_known(tmp_path: Path) -> None:
    assert known_sounds(tmp_path / "nowhere", frozenset()) is None
    assert known_sounds(tmp_path / "nowhere", frozenset({"beep"})) == frozenset({"beep"})


def test_too_many_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_SOUNDS", 1)
    (tmp_path / "a.wav").touch()
    assert known_sounds(tmp_path, frozenset()) == frozenset({"a"})
    (tmp_path / "b.wav").touch()
    assert known_sounds(tmp_path, frozenset()) is None


def test_a_sound_that_was_added_is_known_at_the_next_check(tmp_path: Path) -> None:
    (tmp_path / "pbx.yaml").write_text(f"directories: {{sounds: {tmp_path}}}\n")
    settings = Settings.load(tmp_path / "pbx.yaml")
    assert settings.known.sounds == frozenset()
    (tmp_path / "a.wav").touch()
    assert settings.known.sounds == frozenset({"a"})
    assert settings.known.plugins is settings.known.plugins
