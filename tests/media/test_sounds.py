import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import OperatorError
from pbx.media import speech
from pbx.media.music import PIECES, Piece
from pbx.media.phrases import LANGUAGES, say_digits, say_number, say_position, say_wait, texts_of
from pbx.media.sounds import Playlist, SoundLibrary
from pbx.media.values import Sound
from pbx.media.wav import write_wav
from tests.media.spectrum import sine, strength


class Voice:
    """Speaks every text as as many samples as it has letters."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, text: str, voice: str, rate: int) -> Sound:
        assert voice == "en-gb"
        self.said.append(text)
        return Sound(np.full(len(text), 7, np.int16), rate)


@pytest.fixture(name="voice")
def a_voice() -> Voice:
    return Voice()


@pytest.fixture(name="own")
def own_sounds(tmp_path: Path) -> Path:
    own = tmp_path / "sounds"
    own.mkdir()
    return own


@pytest.fixture(name="library")
def a_library(tmp_path: Path, own: Path, voice: Voice) -> SoundLibrary:
    return SoundLibrary([own], tmp_path / "cache", speak=voice)


def put(path: Path, frequency: float = 440, seconds: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, Sound(sine(frequency, seconds, 8000), 8000))


class TestFinding:
    def test_the_operators_file_goes_before_the_prompt(
        self, own: Path, library: SoundLibrary, voice: Voice
    ) -> None:
        assert len(library.find("welcome").samples) == len("Welcome.")
        put(own / "welcome.wav")
        assert len(library.find("welcome").samples) == 800
        assert voice.said == ["Welcome."]

    def test_a_file_of_the_language_goes_before_one_of_all(self, own: Path, library: SoundLibrary) -> None:
        put(own / "hello.wav", 300)
        put(own / "nl" / "hello.wav", 600)
        assert strength(library.find("hello").samples, 8000, 300) > 5000
        assert strength(library.find("hello", "nl").samples, 8000, 600) > 5000

    def test_a_prompt_is_spoken_once_and_kept_on_disk(
        self, tmp_path: Path, library: SoundLibrary, voice: Voice
    ) -> None:
        first = library.find("goodbye")
        assert library.find("goodbye") is first
        later = SoundLibrary([], tmp_path / "cache", speak=voice)
        assert np.array_equal(later.find("goodbye").samples, first.samples)
        assert later.find("goodbye").rate == 16000
        assert len(voice.said) == 1

    def test_a_cache_that_cannot_be_written_costs_no_prompt(self, tmp_path: Path, voice: Voice) -> None:
        (tmp_path / "cache").write_text("in the way", encoding="utf-8")
        library = SoundLibrary([], tmp_path / "cache", speak=voice)
        assert len(library.find("welcome").samples) == len("Welcome.")

    def test_a_changed_file_is_read_again(self, own: Path, library: SoundLibrary) -> None:
        put(own / "a.wav", seconds=0.1)
        first = library.find("a")
        assert library.find("a") is first
        put(own / "a.wav", seconds=0.2)
        assert len(library.find("a").samples) == 1600

    def test_memory_is_bounded_and_the_oldest_goes(self, tmp_path: Path, own: Path) -> None:
        library = SoundLibrary([own], tmp_path, kept_octets=4000)
        for name in "abc":
            put(own / f"{name}.wav")
        a, b, c = (library.find(name) for name in "abc")
        assert library.find("c") is c
        assert library.find("b") is b
        assert library.find("a") is not a

    @pytest.mark.parametrize(
        "name", ["nothing", "", "../secret", "/etc/passwd", "a/../../b", ".hidden", "a\0b"]
    )
    def test_what_is_not_there_is_said_so(self, tmp_path: Path, library: SoundLibrary, name: str) -> None:
        put(tmp_path / "secret.wav")
        assert not library.known(name)
        with pytest.raises(OperatorError, match="there is no sound"):
            library.find(name)

    def test_a_file_that_is_no_wav_is_named(self, own: Path, library: SoundLibrary) -> None:
        (own / "bad.wav").write_bytes(b"no")
        assert library.known("bad")
        with pytest.raises(OperatorError, match=r"bad\.wav is not a WAV file"):
            library.find("bad")

    def test_all_names_are_known_and_can_be_found(self, own: Path, library: SoundLibrary) -> None:
        put(own / "mine.wav")
        put(own / "shop" / "open.wav")
        put(own / "en" / "only-english.wav")
        names = library.names()
        assert {"mine", "shop/open", "only-english", "welcome", "beep", "tone.busy", "music.garden"} <= names
        for name in names:
            assert library.known(name)
            assert len(library.find(name).samples) > 0

    def test_nobody_can_change_what_others_hear(self, library: SoundLibrary) -> None:
        with pytest.raises(ValueError, match="read-only"):
            library.find("beep").samples[0] = 1

    def test_prompts_can_be_spoken_ahead(self, library: SoundLibrary, voice: Voice) -> None:
        library.find("welcome")
        assert library.prepare(at_once=4) == len(texts_of("en")) - 1
        assert library.prepare() == 0
        assert len(voice.said) == len(texts_of("en"))

    def test_many_threads_may_ask_at_once(self, own: Path, library: SoundLibrary) -> None:
        names = [f"n{number}" for number in range(8)]
        for name in names:
            put(own / f"{name}.wav")
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                for name in names * 20:
                    assert len(library.find(name).samples) == 800
            except BaseException as error:  # noqa: BLE001 -- handed to the thread of the test
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_an_unknown_language_is_refused(self, library: SoundLibrary) -> None:
        assert not library.known("welcome", "xx")
        with pytest.raises(OperatorError, match="language 'xx': known are en"):
            library.find("welcome", "xx")


class TestMusic:
    def test_the_default_is_every_piece_begun_somewhere(self, library: SoundLibrary) -> None:
        asked: list[int] = []

        def choose(below: int) -> int:
            asked.append(below)
            return below - 1

        playlist = library.music("default", choose)
        assert len(playlist.sounds) == len(PIECES)
        assert asked == [sum(len(sound.samples) for sound in playlist.sounds)]
        assert playlist.start == asked[0] - 1

    @pytest.mark.parametrize("start", [0, 2, 3, 4, 6])
    def test_a_playlist_from_its_start_goes_round_once(self, start: int) -> None:
        parts = [np.arange(3, dtype=np.int16), np.arange(3, 7, dtype=np.int16)]
        playlist = Playlist(tuple(Sound(part, 8000) for part in parts), start)
        heard = np.concatenate([sound.samples for sound in playlist.from_start()])
        assert heard.tolist() == np.roll(np.arange(7), -start).tolist()

    def test_music_goes_on_when_its_files_are_gone(
        self, own: Path, library: SoundLibrary, caplog: pytest.LogCaptureFixture
    ) -> None:
        put(own / "music" / "jazz" / "c.wav", 700)
        again = library.music_each_time("jazz", lambda _: 1)
        (before,) = library.music("jazz", lambda _: 0).sounds
        (own / "music" / "jazz" / "c.wav").unlink()
        heard = np.concatenate([sound.samples for sound in again()])
        assert np.array_equal(heard, np.roll(before.samples, -1))
        assert "no music 'jazz'" in caplog.text
        with pytest.raises(OperatorError, match="no music 'polka'"):
            library.music_each_time("polka", lambda _: 0)

    def test_the_operators_files_are_the_music_instead(self, own: Path, library: SoundLibrary) -> None:
        put(own / "music" / "b.wav", 500)
        put(own / "music" / "a.wav", 300)
        put(own / "music" / "jazz" / "c.wav", 700)
        (own / "music" / "broken.wav").write_bytes(b"")
        sounds = library.music("default", lambda _: 0).sounds
        assert [round(strength(sound.samples, 8000, 300)) > 5000 for sound in sounds] == [True, False]
        (jazz,) = library.music("jazz", lambda _: 0).sounds
        assert strength(jazz.samples, 8000, 700) > 5000
        assert library.music_names() == {"default", "jazz", *(piece.name for piece in PIECES)}

    def test_music_that_is_all_broken_or_absent_is_an_error(self, own: Path, library: SoundLibrary) -> None:
        with pytest.raises(OperatorError, match="no music 'polka': there is default, evening"):
            library.music("polka", lambda _: 0)
        (own / "music" / "polka").mkdir(parents=True)
        (own / "music" / "polka" / "a.wav").write_bytes(b"")
        with pytest.raises(OperatorError, match="is not a WAV file"):
            library.music("polka", lambda _: 0)

    @pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.name)
    def test_a_piece_is_told_by_its_signature_has_no_silence_and_loops(self, piece: Piece) -> None:
        sound = piece.sound()
        assert 20 < sound.duration_s < 60
        assert np.abs(sound.samples).max() == 8000
        assert np.array_equal(piece.sound().samples, sound.samples)
        for begins in range(0, len(sound.samples) - 8000, 8000):
            second = sound.samples[begins : begins + 8000]
            heard = {each.name: strength(second, 8000, each.signature_hz) for each in PIECES}
            assert heard[piece.name] > 500
            assert np.abs(second).max() > 800
        whole = {each.name: strength(sound.samples, 8000, each.signature_hz) for each in PIECES}
        assert max(whole, key=lambda name: whole[name]) == piece.name
        steps = np.abs(np.diff(np.concatenate((sound.samples, sound.samples)).astype(int)))
        assert steps[len(sound.samples) - 1] <= np.percentile(steps, 99.9)


class TestPhrases:
    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (0, "0"), (7, "7"), (42, "42"), (100, "100"), (101, "1 hundred 1"), (200, "2 hundred"),
            (999, "9 hundred 99"), (1000, "1 thousand"), (1100, "1 thousand 1 hundred"),
            (123_456, "1 hundred 23 thousand 4 hundred 56"), (100_000, "100 thousand"), (-3, "minus 3"),
        ],
    )  # fmt: skip
    def test_a_number_is_said_as_people_do(self, number: int, said: str) -> None:
        assert [name.removeprefix("number.") for name in say_number(number)] == said.split()

    @given(st.integers(-(10**12), 10**12), st.floats(0, 1e7))
    def test_whatever_is_said_is_known(self, number: int, wait_s: float) -> None:
        names = texts_of("en")
        for said in (say_number(number), say_position(number), say_wait(wait_s), say_digits(str(number))):
            assert set(said) <= set(names)

    def test_digits_are_said_one_by_one(self) -> None:
        assert say_digits("+1 *#a") == ["digit.plus", "digit.1", "digit.star", "digit.hash"]

    def test_places_and_waits(self) -> None:
        assert say_position(1) == ["queue.next"]
        assert say_position(3) == ["queue.position", "number.3"]
        assert say_wait(0) == say_wait(60) == ["queue.soon"]
        assert say_wait(61) == ["queue.wait", "number.2", "time.minutes"]
        assert say_wait(3601) == ["queue.long"]

    def test_every_language_says_the_same(self) -> None:
        for _, texts in LANGUAGES.values():
            assert texts.keys() == texts_of("en").keys()


SPOKEN = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


class TestSpeech:
    @SPOKEN
    def test_espeak_speaks_within_the_levels_of_a_telephone(self) -> None:
        sound = speech.speak("You are next in line.", "en-gb", 16000)
        assert sound.rate == 16000
        assert 0.5 < sound.duration_s < 4
        assert np.abs(sound.samples).max() == 12_000
        assert np.abs(sound.samples[: 16 * 40]).max() < 3000

    def test_without_espeak_the_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(OperatorError, match=r"espeak-ng is missing.*install the package espeak-ng"):
            speech.speak("Hello", "en-gb", 8000)

    @SPOKEN
    def test_what_espeak_says_of_a_voice_it_lacks_is_passed_on(self) -> None:
        with pytest.raises(OperatorError, match="could not speak 'Hello'"):
            speech.speak("Hello", "xx-none", 8000)
