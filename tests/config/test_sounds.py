"""Which sounds a dialplan may name: files in the directory of sounds, as they are at each check."""

from pathlib import Path

from pbx.config import Settings


def test_a_sound_that_was_added_is_known_at_the_next_check(tmp_path: Path) -> None:
    (tmp_path / "pbx.yaml").write_text(f"directories: {{sounds: {tmp_path}}}\n")
    settings = Settings.load(tmp_path / "pbx.yaml")
    assert settings.known.sounds is not None
    assert "my-own" not in settings.known.sounds
    (tmp_path / "my-own.wav").touch()
    assert "my-own" in settings.known.sounds
    assert settings.known.plugins is settings.known.plugins
