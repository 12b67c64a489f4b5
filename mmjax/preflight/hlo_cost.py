"""What one device does in a run of a compiled program: multiplications, memory, communication.

Counted from the program's text with the turns of its loops (`hlo_program`), because XLA's
`cost_analysis` counts the body of a loop once and says nothing of collectives.
"""

import dataclasses
import math
import re
from functools import cache

import numpy as np
import numpy.typing as npt

from mmjax.preflight.hlo_collectives import COLLECTIVES, Collective, collectives_of
from mmjax.preflight.hlo_program import Computation, Instruction, Module, Shape

Bytes = npt.NDArray[np.float64]  # in a padded layout, and without the padding

# Instructions that move no bytes by themselves: they name, group or only begin something, or their
# work is counted in the computation that they run.
_FREE = {
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "while",
    "conditional",
    "call",
    "after-all",
    "partition-id",
    "replica-id",
    "opt-barrier",
    "async-start",
    "async-update",
    "async-done",
    "domain",
    "rng-get-and-update-state",
}
_FREE_CALLS = {"AllocateBuffer", "ConcatBitcast", "AsyncCollectiveStart", "AsyncCollectiveDone"}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Totals of one device.

    Attributes:
      flops: of matrix products and convolutions, two for a multiplication and addition, also of
        those within kernels.
      memory: bytes read from and written to main memory (HBM), in their padded layout.
      useful_memory: the same without the padding.
      collectives: every one of them.
      unknown_loops: loops whose turns the text does not tell; they count as one turn.
    """

    flops: float
    memory: float
    useful_memory: float
    collectives: tuple[Collective, ...]
    unknown_loops: tuple[str, ...]

    def by_kind(self) -> dict[str, tuple[int, float, float]]:
        """kind -> (count, bytes, bytes sent), each times the turns of loops."""
        found: dict[str, tuple[int, float, float]] = {}
        for c in self.collectives:
            count, size, sent = found.get(c.kind, (0, 0.0, 0.0))
            found[c.kind] = count + c.runs, size + c.bytes * c.runs, sent + c.sent * c.runs
        return dict(sorted(found.items()))


def cost(module: Module) -> Cost:
    """Counts a whole program, see `Cost`."""
    flops, traffic = 0.0, np.zeros(2)
    collectives: list[Collective] = []
    fused = _fused(module)
    for computation in module.computations.values():
        runs = module.runs[computation.name]
        if not runs:
            continue
        for instruction in computation.instructions.values():
            if instruction.opcode in ("dot", "convolution"):
                flops += runs * product_flops(computation, instruction)
            elif _target(instruction) == "tpu_custom_call":
                flops += runs * kernel_flops(instruction)
            elif instruction.opcode == "ragged-dot":
                raise NotImplementedError(f"{instruction.name}: ragged products are not counted")
            if computation.name not in fused:
                traffic += runs * _traffic(module, computation, instruction)
        if computation.name not in fused:
            collectives += collectives_of(module, computation, runs)
    return Cost(
        flops, float(traffic[0]), float(traffic[1]), tuple(collectives), tuple(module.unknown_loops)
    )


# --- products ------------------------------------------------------------------------------------


def product_flops(computation: Computation, instruction: Instruction) -> int:
    """2 x multiplications of a `dot` or a `convolution`.

    TPUs write every product as a convolution, with batch axes as dilated windows most of whose
    positions meet nothing; only those that meet a number count.
    """
    (out,) = instruction.shapes
    left, right = (computation.operand(instruction, i).shapes[0] for i in (0, 1))
    if instruction.opcode == "dot":
        axes = instruction.attribute("lhs_contracting_dims") or "{}"
        contracted = math.prod(left.dims[int(a)] for a in re.findall(r"\d+", axes))
        return 2 * math.prod(out.dims) * contracted
    lhs, rhs, result = re.split("_|->", instruction.attribute("dim_labels") or "")
    window = dict(re.findall(r"(\w+)=([\dx_-]+)", instruction.attribute("window") or ""))
    spatial = [label for label in result if label.isdigit()]

    def option(name: str, default: str) -> list[str]:
        return window[name].split("x") if name in window else [default] * len(spatial)

    meetings = 1
    for label, size, stride, pad, spread, dilation in zip(
        sorted(spatial, key=int),
        option("size", "1"),
        option("stride", "1"),
        option("pad", "0_0"),
        option("lhs_dilate", "1"),
        option("rhs_dilate", "1"),
        strict=True,
    ):
        meetings *= window_meetings(
            left.dims[lhs.index(label)],
            int(size),
            out.dims[result.index(label)],
            int(stride),
            int(pad.partition("_")[0]),
            int(spread),
            int(dilation),
        )
    batch, features = out.dims[result.index("b")], out.dims[result.index("f")]
    return 2 * meetings * batch * features * right.dims[rhs.index("i")]


def kernel_flops(instruction: Instruction) -> int:
    """FLOPs of a Pallas kernel, which it says itself: its products are no instructions.

    Raises:
      NotImplementedError: for a kernel that does not say.
    """
    said = re.search(r'"cost_estimate":\{"flops":"(\d+)"', instruction.attributes)
    if said is None:
        raise NotImplementedError(f"{instruction.name}: the kernel does not say its FLOPs")
    return int(said.group(1))


@cache
def window_meetings(
    inputs: int, size: int, outputs: int, stride: int, pad: int, spread: int, dilation: int
) -> int:
    """Pairs of (output, place in the window) that meet a number and not padding or a hole.

    Along one axis: `inputs` numbers with `spread - 1` holes between them, after `pad` more; a
    window of `size` places, `dilation` apart, moved by `stride` for each of `outputs`.
    """
    last = (inputs - 1) * spread
    starts = np.arange(outputs, dtype=np.int64) * stride - pad
    total = 0
    for place in range(size):
        at = starts + place * dilation
        total += int(np.count_nonzero((at >= 0) & (at <= last) & (at % spread == 0)))
    return total


# --- memory --------------------------------------------------------------------------------------


def _fused(module: Module) -> set[str]:
    """Computations whose intermediate results stay in registers: fusions, reducers, comparators."""
    found: set[str] = set()
    ordered = list(module.computations.values())
    for computation in reversed(ordered):  # callers come after what they call
        for instruction in computation.instructions.values():
            runs_apart = instruction.opcode in ("while", "conditional", "call") or (
                instruction.opcode.startswith("async-")
            )
            if computation.name in found or not runs_apart:
                found.update(instruction.called)
    return found


def _traffic(module: Module, computation: Computation, instruction: Instruction) -> Bytes:
    """(padded bytes, bytes) that an instruction reads from and writes to main memory."""
    opcode = instruction.opcode
    if opcode in _FREE or opcode.endswith("-start"):
        return np.zeros(2)
    if opcode == "custom-call" and _target(instruction) in _FREE_CALLS:
        return np.zeros(2)
    operands = [computation.operand(instruction, i) for i in range(len(instruction.operands))]
    if opcode.endswith("-done"):  # a copy or a hop: what arrives was read where it started
        began = operands[0]
        source = computation.operand(began, 0) if began.operands else began
        arrived = _size(instruction.shapes)
        return arrived + (_size(_as_in(instruction.shapes, source.shapes[0].space)))
    if opcode == "fusion":
        inner = module.computations[instruction.called[0]]
        read = sum(
            (
                _read(module, inner, inner.parameters[i].name)
                for i, operand in enumerate(operands)
                if _in_memory(operand.shapes)
            ),
            np.zeros(2),
        )
        return read + _written(module, inner, instruction)
    if opcode in ("dynamic-slice", "slice", "gather"):
        return _size(instruction.shapes) + _size(
            _as_in(instruction.shapes, operands[0].shapes[0].space)
        )
    if opcode == "dynamic-update-slice":
        return 2 * _size(operands[1].shapes)
    if opcode == "scatter":
        return 3 * _size(operands[-1].shapes)
    if opcode == "broadcast" or opcode == "iota":
        return _size(instruction.shapes)
    return _size(instruction.shapes) + sum((_size(o.shapes) for o in operands), np.zeros(2))


def _read(module: Module, fused: Computation, name: str) -> Bytes:
    """What a fusion reads of its parameter: all of it, or the slice that it takes."""
    whole = _size(fused.instructions[name].shapes)
    total = np.zeros(2)
    for user in fused.users(name):
        first = user.operands[0] == name
        if user.opcode == "bitcast":
            part = _read(module, fused, user.name)
        elif user.opcode in ("dynamic-slice", "slice", "gather") and first:
            part = _size(_as_in(user.shapes, 0))
        elif user.opcode == "tuple" or (user.opcode == "dynamic-update-slice" and first):
            part = np.zeros(2)
        elif user.opcode.removesuffix("-start") in COLLECTIVES or _target(user) in _FREE_CALLS:
            part = np.zeros(2)  # counted with the collective
        elif user.opcode == "fusion":
            inner = module.computations[user.called[0]]
            part = sum(
                (
                    _read(module, inner, inner.parameters[i].name)
                    for i, operand in enumerate(user.operands)
                    if operand == name
                ),
                np.zeros(2),
            )
        else:
            part = whole
        total = np.maximum(total, part) if part is whole else total + part
    least: Bytes = np.minimum(total, whole)
    return least


def _written(module: Module, fused: Computation, caller: Instruction) -> Bytes:
    """What a fusion writes: its results, or the slices that it changes in place."""
    root = fused.root
    results = root.operands if root.opcode == "tuple" else (root.name,)
    shapes = caller.shapes if len(caller.shapes) == len(results) else None
    total = np.zeros(2)
    for i, name in enumerate(results):
        value = fused.instructions[name]
        # The call site, not the fused computation, knows in which memory the result lies.
        shape = (shapes[i],) if shapes else value.shapes
        while value.opcode == "bitcast":
            value = fused.operand(value, 0)
        if value.opcode == "dynamic-update-slice":
            part = fused.operand(value, 1).shapes
            total = total + _size(_as_in(part, shape[0].space))
        elif not (
            value.opcode == "parameter"
            or value.opcode in COLLECTIVES
            or _target(value) in _FREE_CALLS
        ):
            total = total + _size(shape)
    return total


def _size(shapes: tuple[Shape, ...]) -> Bytes:
    there = [shape for shape in shapes if shape.space == 0]
    return np.array([sum(s.padded_bytes for s in there), sum(s.bytes for s in there)], float)


def _as_in(shapes: tuple[Shape, ...], space: int) -> tuple[Shape, ...]:
    return tuple(dataclasses.replace(shape, space=space) for shape in shapes)


def _in_memory(shapes: tuple[Shape, ...]) -> bool:
    return any(shape.space == 0 for shape in shapes)


def _target(instruction: Instruction) -> str:
    if instruction.opcode != "custom-call":
        return ""
    return (instruction.attribute("custom_call_target") or "").strip('"')
