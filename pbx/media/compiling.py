"""How the loop is compiled: each function once as a part, and the parts that make a whole once together.

numba by itself optimises every function together with all that it calls, and makes machine code of it, and
does so again for each function that calls that one: for a call graph as deep as the loop's three times the
work, and ten times the size on disk. Here what compiled code calls is a part, which is only translated; what
Python calls is a whole, which takes in its parts, is optimised and is kept in the cache directory.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from numba.core import compiler, types
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import CPUDispatcher

from pbx.media.tabletypes import TablesType

__all__ = ["TablesType", "compiled"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Without the GIL and with C's arithmetic. References to arrays are not counted: the tables outlive the loop,
# and counting them, atomically, at each touch of a table cost as much as all the rest of the work on a
# packet. So compiled code can make views of arrays but no arrays.
_OPTIONS: Final[dict[str, Any]] = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": None,
    "_nrt": False,
    "no_rewrites": True,
}
# A part is not called from outside.
_PART_OPTIONS: Final = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _NoEnvironments:
    """In the place of the code generator: a part, of which no machine code is made, has no globals."""

    def set_env(self, _name: str, _environment: object) -> None:
        """Nowhere to put it."""


class _PartLibrary(JITCodeLibrary):
    """The code of a part, translated and no more; whole libraries take it in."""

    @property
    def codegen(self) -> Any:
        return _NoEnvironments()

    def finalize(self) -> None:
        """Nothing is optimised here."""
        self._raise_if_finalized()
        self._finalized = True

    def _optimize_functions(self, module: Any) -> None:
        """That comes with the whole."""
        module.data_layout = self._codegen._data_layout

    def get_pointer_to_function(self, _name: str) -> int:
        """No address: there is no machine code."""
        return 0

    def with_called(self) -> list[Any]:
        """This library and those of all that is called from it."""
        found = {self: None}
        for library in self._linking_libraries:
            found.update(dict.fromkeys(_with_called(library)))
        return list(found)


class _WholeLibrary(JITCodeLibrary):
    """The code of what is called from Python, with all its parts."""

    def add_linking_library(self, library: Any) -> None:
        """Take in a library and all that its parts call."""
        for each in _with_called(library):
            super().add_linking_library(each)

    def _optimize_final_module(self) -> None:
        """Once: numba does it twice, for the sake of reference counts."""
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)


def _with_called(library: Any) -> list[Any]:
    return library.with_called() if isinstance(library, _PartLibrary) else [library]


class _Flags(compiler.Flags):
    """Settings that stay as they are: numba hashes all of them for each operator that it looks up."""

    __slots__ = ("_hash",)

    def __hash__(self) -> int:
        if not hasattr(self, "_hash"):
            self._hash = int(super().__hash__())
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (hash(self) == hash(other) and bool(super().__eq__(other)))


class _Compiler(compiler.Compiler):
    """numba's own steps, into a library of one of the kinds above."""

    library: type

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags = _Flags(self.state.flags)

    def compile_extra(self, function: Any) -> Any:
        self.state.library = self.library(self.state.targetctx.codegen(), function.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(function)


class _PartCompiler(_Compiler):
    library = _PartLibrary


class _WholeCompiler(_Compiler):
    library = _WholeLibrary


class _Whole(CPUDispatcher):
    """What Python calls. To other compiled code it is its part."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, targetoptions=dict(_OPTIONS), pipeline_class=_WholeCompiler)
        self._part = CPUDispatcher(function, targetoptions=dict(_PART_OPTIONS), pipeline_class=_PartCompiler)
        self.enable_caching()

    @property
    def _numba_type_(self) -> Any:
        return types.Dispatcher(self._part)


def compiled(function: _Function) -> _Function:
    """Compile when first called or asked to, and keep the result in the cache directory."""
    return cast("_Function", _Whole(function))
