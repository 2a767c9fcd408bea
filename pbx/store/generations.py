"""The dialplans that were live, with all their texts, in the state directory: what rollback goes back to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pbx.errors import OperatorError

# So many generations are kept, the live one included, and so many steps of a rollback are remembered.
KEPT = 20
_STEPS = 50
_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a generation; its text is kept under the digest (SHA-256, hexadecimal)."""

    path: str
    digest: str
    octets: int


@dataclass(frozen=True, slots=True)
class KeptGeneration:
    """A dialplan that was live: its file, what is in it, and when it was read."""

    number: int
    name: str
    loaded_epoch: float
    summary: str
    files: tuple[KeptFile, ...]

    @property
    def contents(self) -> frozenset[tuple[str, str]]:
        """What makes this generation differ from another."""
        return frozenset((file.path, file.digest) for file in self.files)


class NotKept(OperatorError):
    """There is no such generation to go back to."""


class GenerationStore:
    """The index of the generations and their texts below `directory`.

    `history` has the numbers that were live, the present one last. Reading happens once, when it is made;
    what cannot be read is as if it had never been kept, and `complaint` says so. Writing raises
    OperatorError, and what is in memory is right all the same.
    """

    def __init__(self, directory: Path, *, keep: int = KEPT) -> None:
        self._directory = directory
        self._keep = keep
        self._index = directory / "index.json"
        self._next = 1
        self.generations: dict[int, KeptGeneration] = {}
        self.history: list[int] = []
        self.complaint = ""
        self._restore()

    @property
    def next_number(self) -> int:
        """The number of the next new generation."""
        return self._next

    def same_as_live(self, texts: Mapping[Path, bytes]) -> KeptGeneration | None:
        """The generation that was live last, when it was made of exactly these texts."""
        live = self.generations.get(self.history[-1]) if self.history else None
        contents = {(str(path), _digest(data)) for path, data in texts.items()}
        return live if live is not None and live.contents == contents else None

    def went_live(self, generation: KeptGeneration, texts: Mapping[Path, bytes]) -> None:
        """Keep a new generation, which is live from now on. Raises OperatorError."""
        self.generations[generation.number] = generation
        self._next = max(self._next, generation.number + 1)
        self.history.append(generation.number)
        self._forget()
        try:
            directory = self._directory / "texts"
            self._make_directories(directory)
            for data in texts.values():
                self._write_text(directory / _digest(data), data)
            self._save()
            self._sweep(directory)
        except OSError as error:
            raise self._unwritable(error) from error

    def went_back(self, number: int) -> None:
        """Generation `number` is live again. Raises OperatorError."""
        if number in self.history:
            del self.history[len(self.history) - 1 - self.history[::-1].index(number) :]
        self.history.append(number)
        try:
            self._save()
        except OSError as error:
            raise self._unwritable(error) from error

    def before(self) -> int | None:
        """The generation that was live before the present one and is still kept."""
        return next((each for each in reversed(self.history[:-1]) if each in self.generations), None)

    def texts(self, number: int) -> dict[Path, bytes]:
        """The texts of a generation. Raises NotKept, and OperatorError when it is not whole."""
        kept = self.generations.get(number)
        if kept is None:
            known = ", ".join(str(each) for each in sorted(self.generations)) or "none"
            raise NotKept(f"generation {number} is not kept", f"those that are: {known}")
        texts: dict[Path, bytes] = {}
        for file in kept.files:
            try:
                data = (self._directory / "texts" / file.digest).read_bytes()
            except OSError as error:
                reason = (error.strerror or "unknown reason").lower()
                raise OperatorError(
                    f"the text of {file.path} in generation {number} cannot be read ({reason})",
                    "another generation may still be whole: `pbx generations`",
                ) from None
            if _digest(data) != file.digest:
                raise OperatorError(
                    f"the text of {file.path} in generation {number} was changed on disk",
                    "another generation may still be whole: `pbx generations`",
                )
            texts[Path(file.path)] = data
        return texts

    def _forget(self) -> None:
        for number in sorted(self.generations)[: -self._keep]:
            del self.generations[number]
        self.history = [each for each in self.history if each in self.generations][-_STEPS:]

    def _save(self) -> None:
        value = {
            "version": _VERSION,
            "next": self._next,
            "history": self.history,
            "generations": [asdict(each) for each in self.generations.values()],
        }
        beside = self._index.with_suffix(".new")
        beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
        beside.replace(self._index)

    def _make_directories(self, texts: Path) -> None:
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        for directory in (self._directory, texts):
            directory.mkdir(mode=0o700, exist_ok=True)

    @staticmethod
    def _write_text(path: Path, data: bytes) -> None:
        if path.exists():
            return
        beside = path.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_bytes(data)
        beside.replace(path)

    def _sweep(self, directory: Path) -> None:
        wanted = {file.digest for kept in self.generations.values() for file in kept.files}
        for path in directory.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def _restore(self) -> None:
        try:
            value = json.loads(self._index.read_text(encoding="utf-8"))
            if value["version"] != _VERSION:
                raise ValueError(f"it has version {value['version']}")
            kept = [_kept(each) for each in value["generations"]]
            history, following = [int(each) for each in value["history"]], int(value["next"])
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.complaint = f"{self._index} cannot be read, so nothing can be rolled back to: {error}"
            return
        self.generations = {each.number: each for each in kept}
        self.history = [each for each in history if each in self.generations]
        self._next = max([following, *(number + 1 for number in self.generations)])

    def _unwritable(self, error: OSError) -> OperatorError:
        reason = (error.strerror or "unknown reason").lower()
        return OperatorError(
            f"the generation cannot be kept in {self._directory} ({reason})",
            "it is live, but cannot be rolled back to; make the directory writable",
        )


def kept_generation(
    number: int, name: str, texts: Mapping[Path, bytes], *, loaded_epoch: float, summary: str
) -> KeptGeneration:
    """A generation made of these texts."""
    files = tuple(KeptFile(str(path), _digest(data), len(data)) for path, data in texts.items())
    return KeptGeneration(number, name, loaded_epoch, summary, files)


def _kept(value: Mapping[str, Any]) -> KeptGeneration:
    files: Sequence[Mapping[str, Any]] = value["files"]
    return KeptGeneration(
        int(value["number"]),
        str(value["name"]),
        float(value["loaded_epoch"]),
        str(value["summary"]),
        tuple(KeptFile(str(each["path"]), str(each["digest"]), int(each["octets"])) for each in files),
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
