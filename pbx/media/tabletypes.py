"""How compiled code is given the tables: by one pointer, behind which they lie as in numba's named tuples.

numba itself passes a named tuple of arrays field by field, 140 words with each call. What lies behind the
pointer never changes while compiled code runs, so that loads from it can be moved and left out freely.
"""

from typing import Any, Final, cast

from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    register_model,
    typeof_impl,
    unbox,
)

from pbx.media.layout import Tables
from pbx.media.mixtables import Mix

_numba: Final = cast("Any", types)


class TablesType(_numba.Type):  # type: ignore[misc, name-defined]  # numba makes its types at run time
    """A named tuple of arrays, by pointer."""

    def __init__(self, fields: Any) -> None:
        self.fields = fields
        super().__init__(f"TablesType({fields})")


@typeof_impl.register(Tables)
@typeof_impl.register(Mix)
def _typeof(value: Any, context: Any) -> TablesType:
    kinds = [typeof_impl(each, context) for each in value]
    return TablesType(_numba.NamedTuple(kinds, type(value)))


@register_model(TablesType)
class _TablesModel(PrimitiveModel):
    def __init__(self, models: Any, kind: Any) -> None:
        super().__init__(models, kind, models[kind.fields].get_value_type().as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = TablesType

    def generic_resolve(self, kind: Any, name: str) -> Any:  # type: ignore[override]  # None is left to it
        """The type of a field."""
        fields = kind.fields.fields
        return kind.fields.types[fields.index(name)] if name in fields else None


@lower_getattr_generic(TablesType)
def _load(context: Any, builder: Any, kind: Any, tables: Any, name: str) -> Any:
    place = kind.fields.fields.index(name)
    array = kind.fields.types[place]
    made = context.make_array(array)(context, builder)
    unchanging = builder.module.add_metadata([])
    size = context.get_constant(_numba.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
    pointer = cgutils.gep_inbounds(builder, tables, 0, place)
    model = context.data_model_manager[array]

    def load(field: str) -> Any:
        word = builder.load(cgutils.gep_inbounds(builder, pointer, 0, model.get_field_position(field)))
        word.set_metadata("invariant.load", unchanging)
        return word

    for field in ("nitems", "data", "shape", "strides"):
        setattr(made, field, load(field))
    made.itemsize = size
    return made._getvalue()


@unbox(TablesType)
def _unbox(kind: Any, value: Any, context: Any) -> Any:
    native = context.unbox(kind.fields, value)
    pointer = cgutils.alloca_once_value(context.builder, native.value)
    return NativeValue(pointer, is_error=native.is_error, cleanup=native.cleanup)
