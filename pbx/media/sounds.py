"""The sounds that calls hear, by name: files of the operator first, then what is built in.

In each directory NAME.wav is the sound NAME, and LANGUAGE/NAME.wav that of one language; the files in music/
are the music `default`, those in music/NAME/ the music NAME. Built in are prompts (`pbx.media.phrases`) that
espeak-ng speaks into the cache, ahead or at first use, tones (`tone.busy`, `tone.nl.busy`, `beep`), `silence`
and music.
"""

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from pbx.errors import OperatorError
from pbx.media import speech
from pbx.media.cache import default_directory
from pbx.media.music import PIECES
from pbx.media.phrases import LANGUAGES, texts_of, voice_of
from pbx.media.tones import TONE_NAMES, TONES, beep, tone
from pbx.media.values import Sound
from pbx.media.wav import read_wav, write_wav

log = logging.getLogger("pbx")

Speaker = Callable[[str, str, int], Sound]

DEFAULT_MUSIC: Final = "default"
_MUSIC: Final = "music"
# Parts of a name begin with a letter or digit: none of them leads out of its directory.
_NAME: Final = re.compile(r"[^\W_][\w.+-]{0,99}(/[^\W_][\w.+-]{0,99}){0,4}")
_MAX_FILES: Final = 20_000
_KEPT_OCTETS: Final = 256 << 20
_SPEECH_RATE: Final = 16000
_TONE_RATE: Final = 8000
_PIECES: Final = {piece.name: piece for piece in PIECES}


def default_cache() -> Path:
    """Where spoken prompts are kept: for all services of one user, beside the compiled code."""
    return default_directory().with_name("prompts")


@dataclass(frozen=True, slots=True)
class Playlist:
    """Sounds to be played round and round, and the sample among all of theirs to begin at."""

    sounds: tuple[Sound, ...]
    start: int = 0

    def from_start(self) -> list[Sound]:
        """The sounds in the order in which they are heard, the one it begins in divided."""
        ahead = self.start
        for number, sound in enumerate(self.sounds):
            if ahead < len(sound.samples):
                first = Sound(sound.samples[ahead:], sound.rate)
                last = Sound(sound.samples[:ahead], sound.rate)
                return [first, *self.sounds[number + 1 :], *self.sounds[:number], last]
            ahead -= len(sound.samples)
        return list(self.sounds)


class SoundLibrary:
    """Finds sounds, in any thread.

    `language` is of those that ask for none, `country` that of the tones. What was read is kept in memory, up
    to `kept_octets`, and read again when its file has changed.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        cache: Path,
        *,
        language: str = "en",
        country: str = "gb",
        speak: Speaker = speech.speak,
        kept_octets: int = _KEPT_OCTETS,
    ) -> None:
        self._directories = tuple(directories)
        self._cache = cache
        self._language = language
        self._country = country
        self._speak = speak
        self._kept: OrderedDict[object, Sound] = OrderedDict()
        self._octets = 0
        self._most = kept_octets
        self._lock = threading.Lock()
        self._made = _made(country)

    # -- what there is ---------------------------------------------------------------------------------------

    def names(self) -> frozenset[str]:
        """Every sound there is a name for."""
        files = {name for directory in self._directories for name in _names_in(directory)}
        return frozenset({*files, *texts_of(self._language), *self._made})

    def known(self, name: str, language: str | None = None) -> bool:
        """Whether there is such a sound; a prompt is known also when nothing can speak it."""
        language = language or self._language
        if name in self._made or self._file(name, language) is not None:
            return True
        return language in LANGUAGES and name in texts_of(language)

    def music_names(self) -> frozenset[str]:
        """Every music there is a name for."""
        own = {
            entry.name
            for directory in self._directories
            for entry in (directory / _MUSIC).glob("*")
            if entry.is_dir() and _NAME.fullmatch(entry.name)
        }
        return frozenset({DEFAULT_MUSIC, *_PIECES, *own})

    # -- sounds ----------------------------------------------------------------------------------------------

    def find(self, name: str, language: str | None = None) -> Sound:
        """The sound of this name. Raises OperatorError, saying which file or program is at fault."""
        language = language or self._language
        path = self._file(name, language)
        if path is not None:
            return self._read(path)
        made = self._made.get(name)
        if made is not None:
            return self._keep(("made", name), made)
        text = texts_of(language).get(name)
        if text is None:
            where = " or ".join(str(directory) for directory in self._directories) or "any directory"
            raise OperatorError(f"there is no sound {name!r}", f"put a file {name}.wav into {where}")
        return self._spoken(name, text, language)

    def music(self, name: str, choose: Callable[[int], int]) -> Playlist:
        """Music that begins somewhere: `choose(n)` is a random number below n. Raises OperatorError.

        Files that cannot be read are passed over, as long as there are others.
        """
        sounds = self._music(name)
        return Playlist(sounds, choose(sum(len(sound.samples) for sound in sounds)))

    def music_each_time(self, name: str, choose: Callable[[int], int]) -> Callable[[], list[Sound]]:
        """What gives music that begins elsewhere each time. Raises OperatorError now, not when it is played.

        Files that are gone by then leave what was read at first.
        """
        first = self.music(name, choose)

        def again() -> list[Sound]:
            try:
                return self.music(name, choose).from_start()
            except OperatorError as error:
                log.error("%s", error)
                return first.from_start()

        return again

    def prepare(self, *, at_once: int = 1) -> int:
        """Speak each prompt that is not in the cache yet, some at once; how many. Raises OperatorError."""
        texts = texts_of(self._language)
        missing = [
            name for name, text in texts.items() if not self._cached(name, text, self._language).is_file()
        ]
        with ThreadPoolExecutor(at_once) as pool:
            for _ in pool.map(lambda name: self._spoken(name, texts[name], self._language), missing):
                pass
        return len(missing)

    def _music(self, name: str) -> tuple[Sound, ...]:
        sounds: list[Sound] = []
        error: OperatorError | None = None
        for path in self._music_files(name):
            try:
                sounds.append(self._read(path))
            except OperatorError as wrong:
                log.error("%s", wrong)
                error = wrong
        if sounds:
            return tuple(sounds)
        if error is not None:
            raise error
        if name == DEFAULT_MUSIC:
            return tuple(self.find(f"{_MUSIC}.{piece}") for piece in _PIECES)
        if name in _PIECES:
            return (self.find(f"{_MUSIC}.{name}"),)
        known = ", ".join(sorted(self.music_names()))
        raise OperatorError(f"there is no music {name!r}", f"there is {known}")

    def _music_files(self, name: str) -> list[Path]:
        if _NAME.fullmatch(name) is None:
            return []
        for directory in self._directories:
            places = [directory / _MUSIC / name]
            if name == DEFAULT_MUSIC:
                places.append(directory / _MUSIC)
            files = [path for place in places for path in sorted(place.glob("*.wav"))]
            if files:
                return files
        return []

    def _file(self, name: str, language: str) -> Path | None:
        if _NAME.fullmatch(name) is None:
            return None
        for directory in self._directories:
            for path in (directory / language / f"{name}.wav", directory / f"{name}.wav"):
                if path.is_file():
                    return path
        return None

    def _read(self, path: Path) -> Sound:
        try:
            state = path.stat()
        except OSError as error:
            raise OperatorError(f"cannot read {path}", (error.strerror or "unknown").lower()) from error
        return self._keep((path, state.st_mtime_ns, state.st_size), lambda: read_wav(path))

    def _spoken(self, name: str, text: str, language: str) -> Sound:
        path = self._cached(name, text, language)
        if path.is_file():
            return self._read(path)
        sound = self._speak(text, voice_of(language), _SPEECH_RATE)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, sound)
        except OSError as error:
            log.warning("cannot keep the prompt %s in %s: %s", name, path.parent, error.strerror)
            return self._keep((path, 0, 0), lambda: sound)
        return self._read(path)

    def _cached(self, name: str, text: str, language: str) -> Path:
        spoken = f"{text}\0{voice_of(language)}\0{_SPEECH_RATE}\0{speech.WORDS_A_MINUTE}"
        return self._cache / language / f"{name}-{sha256(spoken.encode()).hexdigest()[:10]}.wav"

    def _keep(self, key: object, make: Callable[[], Sound]) -> Sound:
        with self._lock:
            sound = self._kept.get(key)
            if sound is not None:
                self._kept.move_to_end(key)
                return sound
        sound = make()
        sound.samples.flags.writeable = False
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = sound
            self._octets += sound.samples.nbytes - (0 if before is None else before.samples.nbytes)
            while self._octets > self._most and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._octets -= oldest.samples.nbytes
        return sound


def _names_in(directory: Path) -> Iterator[str]:
    for number, path in enumerate(directory.rglob("*.wav")):
        if number >= _MAX_FILES:
            log.error("%s has more than %d sounds: the others are not known", directory, _MAX_FILES)
            return
        name = path.relative_to(directory).with_suffix("").as_posix()
        if _NAME.fullmatch(name):
            yield name
            language, _, rest = name.partition("/")
            if rest and language in LANGUAGES:
                yield rest


def _made(country: str) -> dict[str, Callable[[], Sound]]:
    """What is computed, by name."""
    made: dict[str, Callable[[], Sound]] = {
        "beep": lambda: beep(_TONE_RATE),
        "silence": lambda: Sound(np.zeros(_TONE_RATE, np.int16), _TONE_RATE),
    }
    for each in TONES:
        for name in TONE_NAMES:
            made[f"tone.{each}.{name}"] = tone(each, name).sound
    for name in TONE_NAMES:
        made[f"tone.{name}"] = tone(country, name).sound
    for piece in PIECES:
        made[f"{_MUSIC}.{piece.name}"] = piece.sound
    return made
