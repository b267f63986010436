"""`dataclass`, `field` and `replace` of the standard library, with frozen classes cheap to make.

A governed call makes some two hundred frozen values. The standard `__init__` sets each field
through `object.__setattr__`: a tenth of what a call costs. Here an object belongs to an open twin
of its class while it is made, whose fields are set as any object's are, and to its class from then
on. A type checker sees the standard library alone, and a class that has more to it than its fields
is made by that. What inherits an `__init__` from here would become its base: it needs its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass, replace

__all__ = ("Late", "dataclass", "field", "fields_of", "maker", "read_late", "replace")

T = TypeVar("T")

# A frozen class refuses `self.__class__ = ...`; the twin does not.
_SET_CLASS: Final = object.__dict__["__class__"].__set__

_getters: Final[dict[type[Any], Callable[[Any], dict[str, Any]]]] = {}

if not TYPE_CHECKING:

    def dataclass(cls=None, /, **options):
        """As `dataclasses.dataclass`."""

        def made(plain):
            has_own_init = "__init__" in vars(plain) or not options.get("init", True)
            whole = dataclasses.dataclass(plain, **options)
            is_frozen = options.get("frozen") and options.get("slots")
            if is_frozen and not has_own_init and _can_open(whole):
                whole.__init__ = _init(whole)
            return whole

        return made if cls is None else made(cls)

    def replace(value, /, **changes):
        """As `dataclasses.replace`, for values whose fields are all given to `__init__`."""
        return type(value)(**(fields_of(value) | changes))


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a value by name, as they are."""
    cls = type(value)
    get = _getters.get(cls)
    if get is None:
        get = _getters[cls] = _getter(cls)
    return get(value)


class Late(Protocol):
    """What a value is read from."""

    def read(self) -> Any:
        """The value, the same each time."""
        ...


def read_late(cls: type[Any], name: str, late: type[Late]) -> None:
    """Let a field of a class with slots be given as what it is read from when it is asked for.

    Whoever looks at it, be it to compare or to copy, finds the value.
    """
    slot = vars(cls)[name]
    get, set_to = slot.__get__, slot.__set__

    def found(self: Any) -> Any:
        value = get(self)
        if type(value) is late:
            value = value.read()
            set_to(self, value)
        return value

    # A copy's fields are set by `object.__setattr__`; any other is refused by the frozen class.
    setattr(cls, name, property(found, set_to, doc=slot.__doc__))


def maker(cls: type[T]) -> Callable[..., T]:
    """What makes a value of its fields, all of them, in order and by position.

    A row has forty: to name each on the way costs more than all else of making one.
    """
    names = [each.name for each in dataclasses.fields(cls)]  # type: ignore[arg-type]  # one of ours
    if vars(cls).get("__init__") is None or not _can_open(cls):
        return lambda *values: cls(**dict(zip(names, values, strict=True)))
    known: dict[str, Any] = {"CLASS": cls, "OPEN": _open(cls), "NEW": object.__new__}
    lines = [
        f"def make({', '.join(names)}):",
        "self = NEW(OPEN)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = CLASS",
        "return self",
    ]
    # Written out for this class: a loop over its names would cost what is to be saved.
    exec("\n ".join(lines), known)
    make: Callable[..., T] = known["make"]
    return make


def _can_open(cls: type[Any]) -> bool:
    """Whether a twin can lie in memory as the class does, and its fields alone make a value."""
    # A base may bring slots of its own, and an object changes its class only to one that lies in
    # memory alike.
    has_more = hasattr(cls, "__post_init__") or cls.__bases__ != (object,)
    return not has_more and all(each.init for each in dataclasses.fields(cls))


def _open(cls: type[Any]) -> type[Any]:
    """The twin of a class, whose fields can be set."""
    return type(f"Open{cls.__name__}", (), {"__slots__": cls.__slots__})


def _init(cls: type[Any]) -> Callable[..., None]:
    """An `__init__` with the signature of the standard one."""
    fields = dataclasses.fields(cls)
    known: dict[str, Any] = {
        "CLASS": cls,
        "OPEN": _open(cls),
        "SET_CLASS": _SET_CLASS,
        "MISSING": MISSING,
    }
    keyword_only = [_parameter(each, known) for each in fields if each.kw_only]
    parameters = [
        "self",
        *(_parameter(each, known) for each in fields if not each.kw_only),
        *(["*", *keyword_only] if keyword_only else []),
    ]
    lines = [
        f"def __init__({', '.join(parameters)}):",
        "SET_CLASS(self, OPEN)",
        *(f"self.{each.name} = {_value(each)}" for each in fields),
        "self.__class__ = CLASS",
    ]
    # As the standard library makes its own: with the parameters of this class, and no loop.
    exec("\n ".join(lines), known)
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = cls.__init__.__annotations__
    return init


def _parameter(each: Field[Any], known: dict[str, Any]) -> str:
    """A parameter's text; what it defaults to becomes one of the function's `known` names."""
    if each.default_factory is not MISSING:
        known[f"MAKE_{each.name}"] = each.default_factory
        return f"{each.name}=MISSING"
    if each.default is not MISSING:
        known[f"DEFAULT_{each.name}"] = each.default
        return f"{each.name}=DEFAULT_{each.name}"
    return each.name


def _value(each: Field[Any]) -> str:
    """The text of what a field is set to."""
    if each.default_factory is MISSING:
        return each.name
    return f"MAKE_{each.name}() if {each.name} is MISSING else {each.name}"


def _getter(cls: type[Any]) -> Callable[[Any], dict[str, Any]]:
    """What gives a value's fields by name."""
    names = tuple(each.name for each in dataclasses.fields(cls))
    if len(names) == 1:  # an attrgetter of one name gives the bare value
        return lambda value: {names[0]: getattr(value, names[0])}
    get = attrgetter(*names)
    return lambda value: dict(zip(names, get(value), strict=True))
