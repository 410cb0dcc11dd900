"""Pickles read as data: an interpreter that builds plain containers, and calls nothing.

A pickle is a program that may call any function. This one knows the instructions that build
containers, and writes down a call as a `Call`: a name, arguments and a state, of which a reader
then picks what it knows. Names of classes and functions are compared and never imported.
"""

from __future__ import annotations

import dataclasses
import pickletools
from collections.abc import Callable, Collection
from typing import IO, Any

from e2style.errors import CheckpointError

__all__ = ["MAX_INSTRUCTIONS", "Call", "Name", "Stored", "interpret"]

MAX_INSTRUCTIONS = 200_000  # a file of three networks has some ten thousand
_MARK = object()
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "BINSTRING", "SHORT_BINSTRING", "STRING",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEYS = (str, int, float, bool, type(None))  # hashing tuples inside tuples may take for ever


@dataclasses.dataclass(frozen=True)
class Name:
    """Class or function that a pickle names, as "module.name"."""

    name: str


@dataclasses.dataclass
class Call:
    """What a pickle would have called.

    Attributes
    ----------
    name : "module.name"
    args : its arguments
    state : what it would have been given afterwards, or None
    entries : key and value of what would have been stored in it by key
    """

    name: str
    args: tuple[Any, ...]
    state: Any = None
    entries: dict[Any, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a pickle says is stored elsewhere, such as the storage of a tensor."""

    about: Any


def interpret(file: IO[bytes], known: Collection[str]) -> Any:
    """Read one pickle, up to its end; nothing is imported or called.

    Parameters
    ----------
    file : positioned at the first instruction; afterwards behind the last one
    known : names that may occur, as "module.name"

    Returns
    -------
    dicts, lists, tuples, numbers, texts, bytes, and `Call`, `Name` and `Stored`

    Raises
    ------
    CheckpointError : damaged, a name that is not known, or more instructions than a model has
    """
    machine = _Machine(known)
    try:
        for count, (opcode, arg, _) in enumerate(pickletools.genops(file)):
            if count >= MAX_INSTRUCTIONS:
                raise CheckpointError(f"a pickle of more than {MAX_INSTRUCTIONS} instructions")
            if opcode.name == "STOP":
                return machine.pop()
            machine.do(opcode.name, arg)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError("its pickle is damaged") from error
    raise CheckpointError("its pickle is damaged")


class _Machine:
    """Stack and memo of a pickle."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = known
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[Any], None]] = {
            name.removeprefix("_do_").upper(): getattr(self, name)
            for name in dir(self)
            if name.startswith("_do_")
        }

    def do(self, name: str, arg: Any) -> None:
        """Follow one instruction."""
        if name in _VALUES:
            self.stack.append(arg)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self.actions:
            self.actions[name](arg)
        elif name not in {"PROTO", "FRAME"}:
            raise CheckpointError(f"its pickle has the instruction {name}, which no model needs")

    def pop(self) -> Any:
        """Take what lies on top."""
        found = self.stack.pop()
        if found is _MARK:
            raise ValueError("a mark in place of a value")
        return found

    def _to_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def _do_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _do_pop(self, _: Any) -> None:
        self.stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _do_empty_list(self, _: Any) -> None:
        self.stack.append([])

    _do_empty_set = _do_empty_list  # nobody looks for something in one

    def _do_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _do_empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def _do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._to_mark()))

    def _do_list(self, _: Any) -> None:
        self.stack.append(self._to_mark())

    _do_frozenset = _do_list

    def _do_dict(self, _: Any) -> None:
        pairs = self._to_mark()
        self.stack.append({})
        self._put(pairs)

    def _some(self, count: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))

    def _do_tuple1(self, _: Any) -> None:
        self._some(1)

    def _do_tuple2(self, _: Any) -> None:
        self._some(2)

    def _do_tuple3(self, _: Any) -> None:
        self._some(3)

    def _do_append(self, _: Any) -> None:
        value = self.pop()
        self._list().append(value)

    def _do_appends(self, _: Any) -> None:
        values = self._to_mark()
        self._list().extend(values)

    _do_additems = _do_appends

    def _list(self) -> list[Any]:
        found = self.stack[-1]
        # What a set or an ordered container would have been given is none of our business.
        if isinstance(found, Call):
            return []
        if type(found) is not list:
            raise TypeError("no list")
        return found

    def _do_setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._put([key, value])

    def _do_setitems(self, _: Any) -> None:
        self._put(self._to_mark())

    def _put(self, pairs: list[Any]) -> None:
        found = self.stack[-1]
        target = found.entries if isinstance(found, Call) else found
        if type(target) is not dict or len(pairs) % 2:
            raise TypeError("no dict")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) not in _KEYS:
                raise TypeError("a key that is neither a text nor a number")
            target[key] = value

    def _do_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_put(self, arg: Any) -> None:
        self.memo[int(arg)] = self.stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_get(self, arg: Any) -> None:
        self.stack.append(self.memo[int(arg)])

    _do_binget = _do_long_binget = _do_get

    def _do_binpersid(self, _: Any) -> None:
        self.stack.append(Stored(self.pop()))

    def _do_global(self, arg: Any) -> None:
        self._named(".".join(str(arg).split(" ", 1)))

    def _do_stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("no name")
        self._named(f"{module}.{name}")

    def _named(self, name: str) -> None:
        if name not in self.known:
            shown = name[:100] if name.isprintable() else "something"
            raise CheckpointError(f"it holds {shown}, a Python object, which is never loaded")
        self.stack.append(Name(name))

    def _do_reduce(self, _: Any) -> None:
        args, named = self.pop(), self.pop()
        if type(named) is not Name or type(args) is not tuple:
            raise TypeError("a call of what has no name")
        self.stack.append(Call(named.name, args))

    _do_newobj = _do_reduce

    def _do_build(self, _: Any) -> None:
        state = self.pop()
        found = self.stack[-1]
        if type(found) is not Call:
            raise TypeError("a state for what was not made")
        found.state = state
