"""Reads the text of a compiled XLA program, so that what it does can be counted (`hlo_cost`).

The text has what XLA's cost analysis leaves out: shapes with their layout and memory space, the
fused computations, collectives, and the bounds of the loops.
"""

import math
import re

from mmjax.preflight.hlo_program import NAME, Computation, Instruction, Module, Shape

_ARRAY = re.compile(r"(\w+)\[([\d,<=\s]*)\](?:\{([^{}]*)\})?")
_INSTRUCTION = re.compile(r"^\s*(ROOT )?%?([\w.-]+) = (.*)$")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{\s*$")


def parse(text: str) -> Module:
    """Reads the text of a compiled program, `compiled.as_text()`.

    Raises:
      ValueError: when it has no entry computation.
    """
    computations, entry, current = {}, None, None
    for line in text.splitlines():
        if current is None:
            header = _COMPUTATION.match(line)
            if header:
                current = Computation(header.group(2), {})
                entry = header.group(2) if header.group(1) else entry
        elif line.startswith("}"):
            computations[current.name] = current
            current = None
        else:
            found = _INSTRUCTION.match(line)
            if found:
                instruction = _instruction(*found.groups())
                current.instructions[instruction.name] = instruction
    if entry is None:
        raise ValueError("the text is no compiled program: it has no ENTRY computation")
    sizes = re.search(r"num_partitions=(\d+)", text), re.search(r"replica_count=(\d+)", text)
    return Module(computations, entry, math.prod(int(s.group(1)) for s in sizes if s))


def shapes(text: str) -> tuple[Shape, ...]:
    """The arrays of a shape in text, those of a tuple in their order."""
    return tuple(_shape(*found.groups()) for found in _ARRAY.finditer(text))


def _shape(dtype: str, dims: str, layout: str | None) -> Shape:
    sizes = tuple(int(d.replace("<=", "")) for d in dims.split(",") if d.strip())
    order, _, rest = (layout or "").partition(":")
    space = re.search(r"S\((\d+)\)", rest)
    tile = re.search(r"T\(([\d,*]*)\)", rest)
    padded = list(sizes)
    if tile and sizes:
        # The tile covers the axes that vary fastest; `*` folds an axis into the next.
        extent = [int(t) if t != "*" else 1 for t in tile.group(1).split(",")]
        fastest = [int(axis) for axis in order.split(",") if axis.strip()]
        for size, axis in zip(reversed(extent), fastest, strict=False):
            padded[axis] = -(-sizes[axis] // size) * size
    return Shape(dtype, sizes, tuple(padded), int(space.group(1)) if space else 0)


def _instruction(root: str | None, name: str, rest: str) -> Instruction:
    end = _closing(rest) if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    opcode, _, rest = rest.partition("(")
    end = _closing("(" + rest) - 2
    inside, attributes = rest[:end], rest[end + 1 :].lstrip(", ")
    operands = () if opcode in ("constant", "parameter") else tuple(NAME.findall(inside))
    return Instruction(name, shapes(shape), opcode, operands, inside, attributes, root is not None)


def _closing(text: str) -> int:
    """The place after the parenthesis that closes the one with which `text` begins."""
    depth, quoted = 0, False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return place + 1
    raise ValueError(f"unbalanced parentheses in {text[:80]!r}")
