"""Which sounds a dialplan may name: the files in the directory of sounds, and what is built in."""

from pathlib import Path

from pbx.config import Settings


def test_a_sound_that_was_added_is_known_at_the_next_check(tmp_path: Path) -> None:
    (tmp_path / "pbx.yaml").write_text(f"directories: {{sounds: {tmp_path}}}\n")
    settings = Settings.load(tmp_path / "pbx.yaml")
    assert settings.known.sounds is not None
    assert "a" not in settings.known.sounds
    assert "welcome" in settings.known.sounds
    (tmp_path / "a.wav").touch()
    assert "a" in settings.known.sounds
    assert settings.known.plugins is settings.known.plugins
