"""Finding plugins: files in the configured directories, and entry points of installed packages.

A plugin is a class that extends `pbx.Handler`, or `pbx.Strategy` for queues, and has a `name`. Whatever is
wrong with one is a problem with file, line and what to do; nothing it raises goes further.
"""

import importlib.util
import inspect
import pickle
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import create_model

from pbx.dialplan.handler import Handler
from pbx.dialplan.handlers import NOT_YET, registry
from pbx.dialplan.plugin_answers import describe
from pbx.dialplan.plugin_host import Host
from pbx.dialplan.plugin_process import Recipe
from pbx.dialplan.plugin_step import PluginStep, StepOptions, pickled
from pbx.dialplan.plugin_strategies import asked, fault_of_strategy
from pbx.dialplan.strategy import Strategy
from pbx.documents import shown
from pbx.errors import DocumentError, Place, Problem
from pbx.queues import Strategy as QueueStrategy

GROUP = "pbx.plugins"
"""The entry points of installed packages that are plugins."""

INTERFACES = range(1, 2)
"""The versions of the plugin interface that this version of pbx serves."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_MODULE = "pbx_plugin_"
_EXPECTED = "a class that extends pbx.Handler or pbx.Strategy"


class Refused(Exception):
    """A file or an entry point that is no plugin; carries the problems."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Source:
    """Where a plugin's module is: a file (with `path`), or an entry point (with `entry`, as MODULE:NAME)."""

    module: str
    path: str = ""
    entry: str = ""

    def load(self) -> object:
        """Run the module, or give what the entry point names. Raises whatever the code raises."""
        if not self.path:
            return EntryPoint(self.module, self.entry, GROUP).load()
        path = Path(self.path)
        inside = [str(path.parent)] if path.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(self.module, path, submodule_search_locations=inside)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses, pydantic and pickle look a class's module up by its name.
        sys.modules[self.module] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self.module]
            raise
        return module


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was found: its class, and where that stands."""

    kind: type[Handler]
    source: Source
    place: Place

    @property
    def name(self) -> str:
        """The name that dialplans know it by."""
        return self.kind.name

    def step(self, host: Host) -> type[PluginStep]:
        """The kind of step that asks it."""
        options = create_model(
            f"{self.kind.__name__}Options", __base__=(self.kind.Options, StepOptions), __module__=__name__
        )
        options.__doc__ = inspect.getdoc(self.kind)
        body = {"name": self.name, "plugin": self, "host": host, "Options": options, "__module__": __name__}
        return type(f"{self.kind.__name__}Step", (PluginStep,), body)

    def recipe(self, options: PluginStep.Options) -> Recipe:
        """How another process makes the handler of a step with `options`."""
        arguments = pickle.dumps((self.kind.__qualname__, pickled(options)))
        return Recipe(remake, self.source, arguments)


@dataclass(frozen=True, slots=True)
class StrategyPlugin:
    """A strategy for queues that was found: its class, and where that stands."""

    kind: type[Strategy]
    place: Place

    @property
    def name(self) -> str:
        """The name that queues know it by."""
        return self.kind.name


class Plugins:
    """The plugins of one service, and what they share."""

    def __init__(self, found: Iterable[Plugin] = (), strategies: Iterable[StrategyPlugin] = ()) -> None:
        self.host = Host()
        self.found = {plugin.name: plugin for plugin in found}
        self.strategies: dict[str, QueueStrategy] = {}
        """The strategies that queues may name beside the built-in ones."""
        for each in strategies:
            choice, self.strategies[each.name] = asked(each.kind, self.host)
            self.host.choices.append(choice)
        steps = {name: plugin.step(self.host) for name, plugin in self.found.items()}
        self.handlers: Mapping[str, type[Handler]] = dict(sorted({**registry(), **steps}.items()))
        """Every handler by its name in a dialplan, the built-in ones among them."""

    def __len__(self) -> int:
        return len(self.found) + len(self.strategies)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all of them; no two share one."""
        return (*self.found, *self.strategies)


def load_plugins(directories: Sequence[Path] = (), *, installed: bool = True) -> Plugins:
    """Load every plugin of `directories` and, with `installed`, of installed packages.

    Raises DocumentError with everything that is wrong with them.
    """
    problems: list[Problem] = []
    found: dict[str, Plugin | StrategyPlugin] = {}
    for source in _sources(directories, installed=installed):
        try:
            plugins = _plugins_in(source)
        except Refused as refused:
            problems.extend(refused.problems)
            continue
        for plugin in plugins:
            other = found.setdefault(plugin.name, plugin)
            if other is not plugin:
                message = f"there is a plugin {plugin.name} at {other.place} already; give one another name"
                problems.append(Problem(plugin.place, message))
    if problems:
        raise DocumentError(tuple(problems))
    return Plugins(
        [each for each in found.values() if isinstance(each, Plugin)],
        [each for each in found.values() if isinstance(each, StrategyPlugin)],
    )


def plugin_of(kind: type[Handler]) -> Plugin:
    """The plugin that a class is. Raises DocumentError with what is wrong with it."""
    problems = tuple(_problems_of(kind))
    if problems:
        raise DocumentError(problems)
    return Plugin(kind, Source(kind.__module__, entry=f"{kind.__module__}:{kind.__qualname__}"), _place(kind))


def strategies_of(*kinds: type[Strategy]) -> Plugins:
    """Classes as strategies. Raises DocumentError with what is wrong with them."""
    problems = tuple(problem for kind in kinds for problem in _problems_of(kind))
    if problems:
        raise DocumentError(problems)
    return Plugins((), [StrategyPlugin(kind, _place(kind)) for kind in kinds])


def remake(source: Source, arguments: bytes) -> Handler:
    """The handler of a step, made anew in another process from a `Recipe`."""
    loaded = source.load()
    qualified, values = pickle.loads(arguments)  # noqa: S301  # our parent wrote it
    kind: Any = loaded
    if isinstance(loaded, ModuleType):
        for name in qualified.split("."):
            kind = getattr(kind, name)
    plugin = Plugin(kind, source, _place(kind))
    options = plugin.step(Host()).Options.model_construct(**pickle.loads(values))  # noqa: S301  # as above
    handler: Handler = kind(options)
    return handler


# -- files and entry points ----------------------------------------------------------------------------------


def _sources(directories: Sequence[Path], *, installed: bool) -> Iterator[Source]:
    taken: set[str] = set()
    for directory in directories:
        if not directory.is_dir():
            message = "there is no such directory; make it, or take it out of plugins: in pbx.yaml"
            raise DocumentError((Problem(Place(str(directory), 1, 1), message),))
        for path in sorted(directory.iterdir()):
            if path.name.startswith(("_", ".")):
                continue
            file = path / "__init__.py" if path.is_dir() else path
            if file.suffix == ".py" and file.is_file():
                yield Source(_module_name(path.stem, taken), path=str(file))
    if installed:
        points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
        yield from (Source(point.name, entry=point.value) for point in points)


def _module_name(stem: str, taken: set[str]) -> str:
    """A name that no other plugin's module has."""
    plain = f"{_MODULE}{re.sub(r'[^0-9A-Za-z_]', '_', stem)}"
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name)
    return name


def _plugins_in(source: Source) -> list[Plugin | StrategyPlugin]:
    where = source.path or f"entry point {source.module} = {source.entry}"
    try:
        loaded = source.load()
    except SyntaxError as error:
        place = Place(error.filename or where, error.lineno or 1, error.offset or 1)
        raise Refused(Problem(place, f"this is not Python: {error.msg}; mend it, or move it away")) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a module is anybody's code, and may raise SystemExit
        raise Refused(Problem(_raised_at(error, source.path, where), _not_loaded(error))) from None
    if isinstance(loaded, ModuleType):
        kinds = [value for value in vars(loaded).values() if _is_plugin(value, loaded)]
        if not kinds:
            message = f"there is no plugin here: expected {_EXPECTED} and has a name"
            hint = "; a file that is none may start with _"
            raise Refused(Problem(Place(loaded.__file__ or where, 1, 1), message + hint))
    elif isinstance(loaded, type) and issubclass(loaded, Handler | Strategy):
        kinds = [loaded]
    else:
        message = f"found {shown(repr(loaded))}, expected a module or {_EXPECTED}"
        raise Refused(Problem(Place(where, 1, 1), message))
    problems = [problem for kind in kinds for problem in _problems_of(kind)]
    if problems:
        raise Refused(*problems)
    return [
        StrategyPlugin(kind, _place(kind))
        if issubclass(kind, Strategy)
        else Plugin(kind, source, _place(kind))
        for kind in kinds
    ]


def _is_plugin(value: object, module: ModuleType) -> bool:
    """Whether a module's value is a plugin that it defines; a class whose name starts with _ is a base."""
    return (
        isinstance(value, type)
        and issubclass(value, Handler | Strategy)
        and (value.__module__ == module.__name__ or value.__module__.startswith(f"{module.__name__}."))
        and not value.__name__.startswith("_")
    )


def _raised_at(error: BaseException, file: str, where: str) -> Place:
    """The last line of the plugin's own file that an exception passed."""
    passed = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in passed if frame.filename == file] if file else []
    foreign = [frame for frame in passed if "importlib" not in frame.filename and frame.filename != __file__]
    frames = own or foreign
    return Place(frames[-1].filename, frames[-1].lineno or 1, 1) if frames else Place(where, 1, 1)


def _not_loaded(error: BaseException) -> str:
    words = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        return f"{words}; install {name} where pbx is installed, or move the plugin away"
    return f"the plugin cannot be loaded: {type(error).__name__}: {words}".rstrip(": ")


# -- classes -------------------------------------------------------------------------------------------------


def _place(kind: type[Handler] | type[Strategy]) -> Place:
    try:
        file = inspect.getsourcefile(kind) or kind.__module__
        return Place(file, inspect.getsourcelines(kind)[1], 1)
    except (OSError, TypeError):
        return Place(kind.__module__, 1, 1)


def _problems_of(kind: type[Handler] | type[Strategy]) -> Iterator[Problem]:
    """What keeps `kind` from being a plugin; the first reason only."""
    message = _fault_of(kind)
    if message:
        yield Problem(_place(kind), message)


def _fault_of(kind: type[Handler] | type[Strategy]) -> str:
    title = kind.__name__
    name: object = kind.name
    if not name:
        return f'{title} has no name; write name = "…" in it, as dialplans shall call it'
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{title} has the name {shown(str(name))}, expected small letters, digits, - and _"
    if name in registry() or name in NOT_YET or name == "id":
        return f"{name} is a name of pbx itself; give {title} another one"
    version: object = kind.interface
    if not isinstance(version, int) or version not in INTERFACES:
        served = ", ".join(map(str, INTERFACES))
        what = "a newer pbx" if isinstance(version, int) and version >= INTERFACES.stop else "a newer plugin"
        return (
            f"{title} is written for version {version} of the plugin interface, this pbx has {served}; "
            f"install {what}"
        )
    if issubclass(kind, Strategy):
        return fault_of_strategy(kind)
    return _fault_of_decide(kind) or _fault_of_options(kind)


def _fault_of_decide(kind: type[Handler]) -> str:
    title = kind.__name__
    if kind.decide is Handler.decide:
        return f"{title} has no decide; write def decide(self, call), or async def"
    try:
        inspect.signature(kind.decide).bind(None, None)
    except (TypeError, ValueError):
        return f"decide of {title} takes other arguments, expected def decide(self, call)"
    return ""


def _fault_of_options(kind: type[Handler]) -> str:
    title = kind.__name__
    options: object = kind.Options
    if not isinstance(options, type) or not issubclass(options, Handler.Options):
        return f"Options of {title} does not extend Handler.Options"
    own = {field.alias or name for name, field in options.model_fields.items()}
    for name in ("id", kind.name, *StepOptions.model_fields):
        if name in own:
            return f"the option {name} of {title} has a meaning for every step already; give it another name"
    if options.shorthand and options.shorthand not in own:
        return f"the shorthand of {title} is {shown(options.shorthand)}, which is none of its options"
    try:
        options.model_json_schema()
    except Exception as error:  # noqa: BLE001  # pydantic raises many things for types it cannot describe
        return f"the options of {title} cannot be described as JSON Schema: {describe(error)}"
    return ""
