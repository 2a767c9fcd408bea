"""Which sounds a dialplan may name: files in the directory of sounds, as they are at each check."""

from pathlib import Path

import pytest

from pbx.config import Settings
from pbx.errors import DocumentError


def test_a_sound_that_was_added_is_known_at_the_next_check(tmp_path: Path) -> None:
    (tmp_path / "pbx.yaml").write_text(f"directories: {{sounds: {tmp_path}}}\n")
    settings = Settings.load(tmp_path / "pbx.yaml")
    assert settings.known.sounds is not None
    assert "my-own" not in settings.known.sounds
    (tmp_path / "my-own.wav").touch()
    assert "my-own" in settings.known.sounds
    assert settings.known.plugins is settings.known.plugins


def test_a_country_without_tones_is_refused_with_those_that_have_some(tmp_path: Path) -> None:
    (tmp_path / "pbx.yaml").write_text("sounds: {country: xx}\n")
    with pytest.raises(DocumentError, match=r"pbx\.yaml:1:19: found xx, expected one of at, be, ca"):
        Settings.load(tmp_path / "pbx.yaml")
