"""The generations of a running service: loaded, swapped in, gone back to; one at a time, all or nothing."""

import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import DeferredLock

from pbx.dialplan.check import load_checked, summary_of
from pbx.dialplan.generation import Generation
from pbx.dialplan.scope import KnownNames
from pbx.documents.sources import Sources, reading
from pbx.errors import DocumentError, OperatorError
from pbx.metrics.metrics import Metrics
from pbx.service.router import Router
from pbx.store.generations import GenerationStore, KeptGeneration, NotKept, kept_generation

log = logging.getLogger("pbx")

T = TypeVar("T")

# So many refused loads are remembered, to be shown.
REFUSALS = 5


class Plugins(Protocol):
    """The life of the plugins of a generation."""

    async def start(self, generation: Generation) -> None:
        """Start them. Raises OperatorError."""

    def retire(self, generation: Generation) -> None:
        """Stop them as soon as no call needs them."""


class InThread(Protocol):
    """Runs something that takes a while beside the calls."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """What it gives, or raises."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A dialplan that may go live, and the texts it was made of."""

    generation: Generation
    texts: Mapping[Path, bytes]
    summary: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a reload or rollback came to; `warning` says what went wrong although the generation is live."""

    number: int
    changed: bool
    message: str
    warning: str = ""

    def __str__(self) -> str:
        return self.message if not self.warning else f"{self.message}; {self.warning}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A load that changed nothing, and why."""

    epoch: float
    error: OperatorError


class Loader:
    """Makes generations of one dialplan file, or of texts that were kept of it."""

    def __init__(self, path: Path, known: Callable[[], KnownNames]) -> None:
        self.path = path
        self._known = known

    def load(self, number: int, kept: Mapping[Path, bytes] | None = None) -> Loading:
        """Read, compile, test. Raises OperatorError, or DocumentError with every problem."""
        with reading(Sources(kept)) as sources:
            generation = load_checked(self.path, self._known(), number)
        return Loading(generation, sources.texts, str(summary_of(generation)))


class Generations:
    """Keeps the live generation of the router, and those before it.

    Loads are serialised. Whatever raises here has changed nothing: the generation before goes on.
    """

    def __init__(self, loader: Loader, kept: GenerationStore, epoch: Callable[[], float]) -> None:
        self._loader = loader
        self._kept = kept
        self._epoch = epoch
        self._lock = DeferredLock()
        self._router: Router | None = None
        self._plugins: Plugins | None = None
        self._in_thread: InThread | None = None
        self.results: Counter[str] = Counter()
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS)
        self._first = self._load_first()

    def _load_first(self) -> tuple[Loading, KeptGeneration | None]:
        """The dialplan as it is on disk; it has the number it had before when it did not change since."""
        if self._kept.complaint:
            log.warning("%s", self._kept.complaint)
        loading = self._loader.load(self._kept.next_number)
        same = self._kept.same_as_live(loading.texts)
        if same is not None:
            loading = replace(loading, generation=replace(loading.generation, number=same.number))
        return loading, same

    @property
    def first(self) -> Generation:
        """The generation to begin with."""
        return self._first[0].generation

    def begin(self, router: Router, plugins: Plugins, in_thread: InThread) -> None:
        """Calls are about to be taken: keep the first generation. Never raises."""
        self._router, self._plugins, self._in_thread = router, plugins, in_thread
        loading, same = self._first
        if same is None:
            self._keep(loading)

    def observe(self, metrics: Metrics) -> None:
        """Have the live generation's number, those in use and the results of reloads read at each scrape."""
        metrics.observe("pbx_generation_number", lambda: self.live.number)
        metrics.observe("pbx_generations_in_use", lambda: len({self.live.number, *self.calls}))
        metrics.observe_counts("pbx_generation_reloads", lambda: self.results)

    @property
    def calls(self) -> Mapping[int, int]:
        """How many running calls each generation decides, by number."""
        return {} if self._router is None else self._router.calls_by_generation()

    @property
    def live(self) -> Generation:
        """The generation that decides new calls."""
        return self.first if self._router is None else self._router.generation

    @property
    def history(self) -> Sequence[int]:
        """The numbers that were live, the present one last."""
        return self._kept.history

    @property
    def kept(self) -> Sequence[KeptGeneration]:
        """The generations that can be gone back to, the oldest first; the live one among them."""
        return sorted(self._kept.generations.values(), key=lambda each: each.number)

    @property
    def files(self) -> Iterable[Path]:
        """The files that the live generation was read from, and the dialplan itself in any case."""
        live = self._kept.generations.get(self.live.number)
        return {self._loader.path.absolute(), *(Path(file.path) for file in (live.files if live else ()))}

    async def reload(self) -> Change:
        """Load the dialplan anew; running calls keep theirs. Raises OperatorError."""
        await self._lock.acquire()
        try:
            return await self._refusing(self._reload())
        finally:
            self._lock.release()

    async def rollback(self, number: int | None = None) -> Change:
        """Go back to a generation that was live, or to the one before. Raises OperatorError."""
        await self._lock.acquire()
        try:
            return await self._refusing(self._rollback(number))
        finally:
            self._lock.release()

    async def _refusing(self, change: Awaitable[Change]) -> Change:
        try:
            return await change
        except OperatorError as error:
            self.refusals.append(Refusal(self._epoch(), error))
            match error:
                case _NotStarted():
                    pass  # counted where it was tried
                case NotKept():
                    self.results["not-kept"] += 1
                case DocumentError():
                    self.results["invalid"] += 1
                case _:
                    self.results["unreadable"] += 1
            raise

    async def _reload(self) -> Change:
        number = self._kept.next_number
        assert self._in_thread is not None  # nobody asks before the start
        loading = await self._in_thread(lambda: self._loader.load(number))
        same = self._kept.same_as_live(loading.texts)
        if same is not None and same.number == self.live.number:
            self.results["unchanged"] += 1
            return Change(same.number, False, f"nothing has changed: generation {same.number} stays live")
        await self._swap(loading.generation)
        warning = self._keep(loading)
        self.results["live"] += 1
        return Change(number, True, f"dialplan {self._loader.path} is generation {number} now", warning)

    async def _rollback(self, number: int | None) -> Change:
        if number is None:
            number = self._kept.before()
            if number is None:
                raise NotKept("no generation before the live one is kept", "`pbx generations` lists them")
        if number == self.live.number:
            return Change(number, False, f"generation {number} is live already")
        wanted, kept = number, self._kept.texts(number)
        assert self._in_thread is not None  # nobody asks before the start
        loading = await self._in_thread(lambda: self._loader.load(wanted, kept))
        await self._swap(loading.generation)
        warning = ""
        try:
            self._kept.went_back(number)
        except OperatorError as error:
            log.warning("%s", error)
            warning = str(error)
        self.results["rolled-back"] += 1
        message = (
            f"generation {number} is live again; {self._loader.path} was not touched, and what it says now "
            "is taken at the next reload or restart"
        )
        return Change(number, True, message, warning)

    async def _swap(self, generation: Generation) -> None:
        router, plugins = self._router, self._plugins
        assert router is not None  # nobody asks before the start
        assert plugins is not None
        before = router.generation
        try:
            await plugins.start(generation)
        except OperatorError as error:
            self.results["plugin"] += 1
            raise _NotStarted(error.message, error.hint) from error
        router.generation = generation
        plugins.retire(before)

    def _keep(self, loading: Loading) -> str:
        kept = kept_generation(
            loading.generation.number,
            loading.generation.name,
            loading.texts,
            loaded_epoch=self._epoch(),
            summary=loading.summary,
        )
        try:
            self._kept.went_live(kept, loading.texts)
        except OperatorError as error:
            log.warning("%s", error)
            return str(error)
        return ""


class _NotStarted(OperatorError):
    """A plugin did not start, so its generation did not go live."""
