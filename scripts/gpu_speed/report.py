"""The table of `gpu.py speed`."""

from __future__ import annotations

from typing import Any


def table(figures: dict[str, Any]) -> str:
    """Markdown: time and arithmetic, memory, attention kernels, what compiling took."""
    height, width = figures.get("size", (0, 0))
    lines = [
        f"{figures.get('machine')}, torch {figures.get('torch')}, {figures.get('dtype')}, "
        f"{figures.get('frames')} frames of {height}x{width}; "
        f"matrix products {_number(figures.get('matmul_tflops'), '.0f')} TFLOP/s, "
        f"copies {_number(figures.get('copy_tb_a_second'), '.2f')} TB/s; "
        f"ours and plain differ by {_number(figures.get('difference'), '.1e')} of the largest",
        "",
        "| | TFLOP | s | TFLOP/s | of peak | GB allocated | GB reserved |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in figures.get("rows", {}).items():
        lines.append(
            f"| {name} | {row['tflop']:.4g} | {row['seconds']:.4g} | {row['tflops']:.4g} "
            f"| {_number(row.get('share_of_peak'), '.0%')} "
            f"| {_number(row.get('allocated_gb'), '.2f')} "
            f"| {_number(row.get('reserved_gb'), '.2f')} |"
        )
    return "\n".join([*lines, *_memory(figures), *_attention(figures), *_compiled(figures)])


def _memory(figures: dict[str, Any]) -> list[str]:
    rows = figures.get("memory")
    if not rows:
        return []
    outside = _number(figures.get("outside_of_torch_gb"), ".2f")
    lines = [
        "",
        f"Gigabytes (outside of torch: {outside} more):",
        "",
        "| size, --memory | predicted | allocated | reserved | paper | plan |",
        "|---|---:|---:|---:|---:|---|",
    ]
    return lines + [
        f"| {name} | {row['predicted_gb']:.2f} | {_number(row.get('allocated_gb'), '.2f')} "
        f"| {_number(row.get('reserved_gb'), '.2f')} | {row['paper_gb']:.0f} | {row['plan']} |"
        for name, row in rows.items()
    ]


def _attention(figures: dict[str, Any]) -> list[str]:
    layers = figures.get("attention")
    if not layers:
        return []
    kinds = list(next(iter(layers.values())))
    lines = ["", f"| attention, ms | {' | '.join(kinds)} |", "|---|" + "---:|" * len(kinds)]
    for name, by_kind in layers.items():
        cells = [
            f"{1e3 * by_kind[kind]:.3f}" if isinstance(by_kind.get(kind), float) else "no"
            for kind in kinds
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _compiled(figures: dict[str, Any]) -> list[str]:
    found = figures.get("compiled")
    return [] if not found else [
        "", "compiled: " + ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name}: {value}"
            for name, value in found.items()
        ),
    ]  # fmt: skip


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
