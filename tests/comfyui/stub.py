"""As much of ComfyUI's V3 interface as the nodes call, written for these tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


class _Socket:
    def __init__(self, kind: str, id: str | None, details: dict[str, Any]) -> None:
        self.kind, self.id = kind, id
        self.optional = bool(details.pop("optional", False))
        self.details = details


def _type(kind: str) -> Any:
    """Inputs are named first, outputs need no name."""
    return SimpleNamespace(
        Input=lambda id, **details: _Socket(kind, id, details),
        Output=lambda id=None, **details: _Socket(kind, id, details),
    )


class Schema:
    def __init__(self, node_id: str, inputs: list[_Socket], outputs: list[_Socket], **rest: Any):
        self.node_id, self.inputs, self.outputs = node_id, inputs, outputs
        self.rest = rest
        ids = [socket.id for socket in inputs]
        assert len(set(ids)) == len(ids), "input ids must be unique"
        assert set(rest) <= {"display_name", "category", "description", "is_output_node"}


class NodeOutput:
    def __init__(self, *args: Any, ui: dict[str, Any] | None = None) -> None:
        self.args, self.ui = args, ui


class ProgressBar:
    last: tuple[int, int] = (0, 0)

    def __init__(self, total: int) -> None:
        self.total, self.current = total, 0

    def update_absolute(self, value: int, total: int | None = None) -> None:
        self.current = value
        ProgressBar.last = (value, total or self.total)

    def update(self, value: int) -> None:
        self.update_absolute(self.current + value)


def modules(output: Path) -> dict[str, ModuleType]:
    """The modules that the nodes import, by name; files go to `output`."""

    def module(name: str, **attributes: Any) -> ModuleType:
        made = ModuleType(name)
        for key, value in attributes.items():
            setattr(made, key, value)
        return made

    io = SimpleNamespace(
        Schema=Schema, NodeOutput=NodeOutput, ComfyNode=type("ComfyNode", (), {}), Custom=_type,
        Image=_type("IMAGE"), Mask=_type("MASK"), Float=_type("FLOAT"), Int=_type("INT"),
        String=_type("STRING"), Boolean=_type("BOOLEAN"), Combo=_type("COMBO"),
    )  # fmt: skip

    def save_path(prefix: str, folder: str, width: int, height: int) -> tuple[Any, ...]:
        place = Path(folder) / Path(prefix).parent
        place.mkdir(parents=True, exist_ok=True)
        return str(place), Path(prefix).name, 1, str(Path(prefix).parent), prefix

    utils = module("comfy.utils", ProgressBar=ProgressBar)
    latest = module("comfy_api.latest", ComfyExtension=type("ComfyExtension", (), {}), io=io)
    return {
        "comfy": module("comfy", utils=utils),
        "comfy.utils": utils,
        "comfy_api": module("comfy_api", latest=latest),
        "comfy_api.latest": latest,
        "folder_paths": module(
            "folder_paths",
            get_output_directory=lambda: str(output),
            get_save_image_path=save_path,
        ),
    }


def loaded(pack: Path) -> ModuleType:
    """A folder of nodes, imported as ComfyUI's `load_custom_node` does it: by its path."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = str(pack).replace(".", "_x_")
    spec = spec_from_file_location(name, pack / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
