"""Reads pickles without Python's unpickler: opcodes are interpreted, and nothing is called.

A pickle is a program that may import and call anything. Here it can only build numbers, strings,
bytes, lists, tuples and dictionaries. Names, calls and state changes are passed to a `World`, which
knows a few names and returns inert values for them. Steps, tuples and keys are limited, so that a
small file cannot use much time or memory.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, runtime_checkable

MAX_STEPS = 4_000_000
"""Most opcodes in one pickle, which take seconds. A DWPose clip has 150 per frame and person."""
MAX_TUPLE = 10_000
"""Most values in a tuple, nested ones included: they can double with each level of nesting."""
_LARGEST_INT = 2**127
_LARGEST_KEY = 2**31


class RefusedError(Exception):
    """The pickle contains more than plain values."""


@runtime_checkable
class World(Protocol):
    """Handles what a pickle refers to beyond plain values; refuses by raising `RefusedError`."""

    def named(self, module: str, name: str) -> Any:
        """The placeholder for an imported name."""

    def called(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """The result of calling a placeholder."""

    def set_state(self, thing: Any, state: Any) -> None:
        """Set the state of a value."""

    def persistent(self, identity: Any) -> Any:
        """The value for data stored outside the pickle."""


class _Mark:
    pass


_MARK = _Mark()


def read_pickle(stream: Any, world: World) -> Any:
    """Read one pickle from a binary `stream`, which is left at the pickle's end.

    Raises:
        RefusedError: an opcode, name, call, key or size is not allowed.
        ValueError, IndexError, KeyError: the pickle is broken or cut off.
    """
    machine = _Machine(world)
    steps = _steps(machine)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count > MAX_STEPS:
            raise RefusedError(f"more than {MAX_STEPS} steps")
        if opcode.name == "STOP":
            return machine.pop()
        if opcode.name not in steps:
            raise RefusedError(f"the opcode {opcode.name}")
        steps[opcode.name](argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """The stack and the memo while reading one pickle."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._weights: dict[int, int] = {}
        self._kept: list[Any] = []

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def pop_to_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def push_int(self, value: int) -> None:
        if not -_LARGEST_INT <= value < _LARGEST_INT:
            raise RefusedError("a number of more than 128 bits")
        self.push(value)

    def push_tuple(self, values: list[Any]) -> None:
        # Hashing a tuple visits all nested values, however often the same one occurs.
        made = tuple(values)
        weight = 1 + sum(self._weights.get(id(v), 1) for v in values)
        if weight > MAX_TUPLE:
            raise RefusedError(f"a tuple of more than {MAX_TUPLE} values")
        if weight > 1 + len(values):
            self._weights[id(made)] = weight
            self._kept.append(made)  # keeps its id in use
        self.push(made)

    def push_last(self, count: int, _: Any = None) -> None:
        self.push_tuple([self.pop() for _ in range(count)][::-1])

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise RefusedError("an append to what is no list")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise RefusedError("items of what is no dictionary")
        for key, value in zip(values[::2], values[1::2], strict=True):
            small = type(key) in (int, bool) and -_LARGEST_KEY <= key < _LARGEST_KEY
            if type(key) is not str and not small:
                raise RefusedError("a key that is no text")
            target[key] = value

    def put(self, index: int) -> None:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark in place of a value")
        self.memo[index] = self.stack[-1]

    def memoize(self) -> None:
        self.put(len(self.memo))

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise RefusedError("a name that is no text")
        self.push(self.world.named(module, name))

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if type(arguments) is not tuple:
            raise RefusedError("a call without arguments")
        self.push(self.world.called(function, arguments))

    def build(self) -> None:
        state = self.pop()
        if self.stack[-1] is _MARK:
            raise ValueError("a mark in place of a value")
        self.world.set_state(self.stack[-1], state)


_Step = Callable[[Any], object]


def _steps(machine: _Machine) -> dict[str, _Step]:
    """Handlers of the allowed opcodes: those that pickle writes from protocol 2 on."""
    push, stack, memo = machine.push, machine.stack, machine.memo
    steps: dict[str, _Step] = {
        "PROTO": lambda _: None,
        "FRAME": lambda _: None,
        "MARK": lambda _: stack.append(_MARK),
        "POP": lambda _: stack.pop(),
        "POP_MARK": lambda _: machine.pop_to_mark(),
        "NONE": lambda _: push(None),
        "NEWTRUE": lambda _: push(True),
        "NEWFALSE": lambda _: push(False),
        "EMPTY_LIST": lambda _: push([]),
        "EMPTY_DICT": lambda _: push({}),
        "EMPTY_TUPLE": lambda _: push(()),
        "APPEND": lambda _: machine.extend([machine.pop()]),
        "APPENDS": lambda _: machine.extend(machine.pop_to_mark()),
        "SETITEM": lambda _: machine.set_items([machine.pop(), machine.pop()][::-1]),
        "SETITEMS": lambda _: machine.set_items(machine.pop_to_mark()),
        "TUPLE": lambda _: machine.push_tuple(machine.pop_to_mark()),
        "MEMOIZE": lambda _: machine.memoize(),
        "GLOBAL": lambda both: machine.name(*both.split(" ", 1)),
        "STACK_GLOBAL": lambda _: machine.name(*[machine.pop(), machine.pop()][::-1]),
        "REDUCE": lambda _: machine.call(),
        "BUILD": lambda _: machine.build(),
        "BINPERSID": lambda _: push(machine.world.persistent(machine.pop())),
    }
    for number in (1, 2, 3):
        steps[f"TUPLE{number}"] = partial(machine.push_last, number)
    steps |= dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), machine.push_int)
    steps |= dict.fromkeys(("BINGET", "LONG_BINGET"), lambda index: push(memo[index]))
    steps |= dict.fromkeys(("BINPUT", "LONG_BINPUT"), machine.put)
    plain = ("BINFLOAT", "BYTEARRAY8", "BINSTRING", "SHORT_BINSTRING")
    texts = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
    data = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
    steps |= dict.fromkeys((*plain, *texts, *data), push)
    return steps
