"""Shapes and types at every call of the package, as the tests see it.

jaxtyping's own import hook does the same, but binds and checks the arguments of each call three
times, which was two fifths of the time of some tests. Here beartype checks each call once, within
one context of shapes. Generators stay with jaxtyping, since their bodies run after the call;
coroutines are not checked.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.abc
import inspect
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

PACKAGE = "posecast"
# The numeric tower is Python's own rule (PEP 484), which mypy follows too: an int is a good float.
_typed = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))
_NAME = "_checked_by_tests"
_CACHE = f".checked-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}.pyc"


def install() -> None:
    """From its first import on, each of the package's signatures holds, or the call raises."""
    assert PACKAGE not in sys.modules, "it is imported already"
    sys.meta_path.insert(0, _Finder())


def checked(what: Any) -> Any:
    """A function, or a dataclass's own `__init__`, that checks its arguments and its result."""
    if isinstance(what, type):
        if "__dataclass_params__" in what.__dict__ and what.__dataclass_params__.init:
            what.__init__ = checked(what.__init__)
        return what
    if inspect.isgeneratorfunction(what):
        return jaxtyping.jaxtyped(typechecker=_typed)(what)
    return _checked(what) if what.__annotations__ else what


def _checked(function: types.FunctionType) -> Callable[..., Any]:
    typed: Callable[..., Any] | None = None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal typed
        if typed is None:  # not before the first call: annotations name what is defined below
            typed = _typed(_resolved(function))
        with jaxtyping.jaxtyped("context"):
            return typed(*args, **kwargs)

    return call


def _resolved(function: types.FunctionType) -> types.FunctionType:
    """The function with its annotations as objects; a name for type checkers alone is anything."""
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    for name, annotation in function.__annotations__.items():
        try:
            while isinstance(annotation, str):  # quoted, or for `annotations` of the future
                annotation = eval(annotation, function.__globals__)
        except (NameError, AttributeError, TypeError):
            annotation = Any
        copy.__annotations__[name] = Any if _is_plain_protocol(annotation) else annotation
    return copy


def _is_plain_protocol(annotation: Any) -> bool:
    """Whether it is a protocol of which nothing can be an instance."""
    is_protocol = getattr(annotation, "_is_protocol", False)
    return is_protocol and not getattr(annotation, "_is_runtime_protocol", False)


class _Decorator(ast.NodeTransformer):
    """Decorates functions, below their other decorators, and classes, above theirs."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        at = 0
        for at, statement in enumerate(node.body):
            is_docstring = isinstance(statement, ast.Expr) and at == 0
            is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if not (is_docstring or is_future):
                break
        line = ast.parse(f"from {__name__} import checked as {_NAME}").body[0]
        node.body.insert(at, line)
        return ast.fix_missing_locations(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.decorator_list.insert(0, self._decorator(node))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list.append(self._decorator(node))
        return node

    @staticmethod
    def _decorator(node: ast.AST) -> ast.expr:
        return ast.copy_location(ast.Name(_NAME, ast.Load()), node)


class _Loader(SourceFileLoader):
    """Compiles with the decorators, and caches the result beside the plain one."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = _Decorator().visit(ast.parse(data, path))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_cached(path))

    def set_data(self, path: str, data: bytes, **options: Any) -> None:
        super().set_data(_cached(path), data, **options)


def _cached(path: str) -> str:
    return path.removesuffix(".pyc") + _CACHE if path.endswith(".pyc") else path


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec
