"""docs/sounds.md names the sounds and metrics there are."""

import re
from pathlib import Path

from pbx.media.music import PIECES
from pbx.media.phrases import texts_of
from pbx.media.tones import TONE_NAMES, TONES
from pbx.metrics import names

TEXT = Path(__file__, "../../../docs/sounds.md").resolve().read_text(encoding="utf-8")


def test_every_prompt_is_named() -> None:
    prompts = {name for name in texts_of("en") if not re.fullmatch(r"(number|digit)\.\d+", name)}
    for name in prompts:
        group, _, rest = name.partition(".")
        assert f"`{name}`" in TEXT or (f"`{group}." in TEXT and f"`.{rest}`" in TEXT), name


def test_tones_music_and_metrics_are_named() -> None:
    flat = " ".join(TEXT.split())
    assert f"the countries {', '.join(sorted(TONES)[:-1])} and {max(TONES)}." in flat
    for name in (*TONE_NAMES, *(piece.name for piece in PIECES)):
        assert f"`{name}`" in TEXT
    for metric in re.findall(r"`(pbx_\w+?)(?:_total\{cause\})?`", TEXT):
        assert metric in names.GAUGES or metric in names.OBSERVED_COUNTS
