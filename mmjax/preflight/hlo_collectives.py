"""The collectives of a compiled program: which devices take part, and what each has to send."""

import dataclasses
import math
import re
from collections.abc import Iterator

from mmjax.preflight.hlo_program import Computation, Instruction, Module, Shape

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
    "collective-broadcast",
)


@dataclasses.dataclass(frozen=True)
class Collective:
    """One collective instruction.

    Attributes:
      kind: such as `all-gather`; a reduction of which each device keeps a part is a
        `reduce-scatter`, however the compiler has written it.
      group: number of devices that take part together.
      shapes: of what each device puts in.
      bytes: of the whole array: of what each device has after an all-gather, and before a
        reduction, an exchange or a hop.
      sent: bytes that each device has to send, at least, over a ring of the group.
      runs: how often.
      source: the operation of the program that it comes from.
    """

    kind: str
    group: int
    shapes: tuple[Shape, ...]
    bytes: int
    sent: float
    runs: int
    source: str


def collectives_of(module: Module, computation: Computation, runs: int) -> Iterator[Collective]:
    """Those of a computation and of what is fused into it.

    A TPU spreads an asynchronous collective over the fusions that run beside it: each holds a copy
    with one channel and `chain_id`, which together are one collective.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for where, instruction in _with_fused(module, computation):
        kind = instruction.opcode.removesuffix("-start")
        if kind not in COLLECTIVES:
            continue
        chain = re.search(r'chain_id="(\w+)"', instruction.attributes)
        if chain:
            key = (instruction.attribute("channel_id"), chain.group(1))
            if key in seen:
                continue
            seen.add(key)
        put_in = tuple(
            shape
            for i in range(len(instruction.operands))
            for shape in where.operand(instruction, i).shapes
        )
        if kind == "all-reduce" and _keeps_a_part(where, instruction):
            kind = "reduce-scatter"
        group, size = group_size(instruction, module.devices), sum(s.bytes for s in put_in)
        whole = size * group if kind == "all-gather" else size
        named = re.search(r'op_name="([^"]*)"', instruction.attributes)
        yield Collective(
            kind,
            group,
            put_in,
            whole,
            _sent(kind, whole, group),
            runs,
            named.group(1) if named else "",
        )


def _with_fused(
    module: Module, computation: Computation
) -> Iterator[tuple[Computation, Instruction]]:
    for instruction in computation.instructions.values():
        yield computation, instruction
        if instruction.opcode == "fusion":
            yield from _with_fused(module, module.computations[instruction.called[0]])


def _keeps_a_part(where: Computation, reduction: Instruction) -> bool:
    """Whether an all-reduce is the first half of a fused `all-reduce-scatter`."""
    users = where.users(reduction.name)
    return bool(users) and "all-reduce-scatter" in where.name and users[0].opcode == "dynamic-slice"


def _sent(kind: str, whole: int, group: int) -> float:
    if kind == "collective-permute" or kind == "collective-broadcast":
        return float(whole)
    share = whole * (group - 1) / group
    return 2 * share if kind == "all-reduce" else share


def group_size(instruction: Instruction, devices: int) -> int:
    """How many devices a collective joins; for a permutation, how many take part in all."""
    pairs = instruction.attribute("source_target_pairs")
    if pairs:
        return pairs.count("{") - 1
    text = instruction.attributes.partition("replica_groups=")[2] or "{}"
    iota = re.match(r"\[(\d+),(\d+)\]<=", text)
    if iota:
        return int(iota.group(2))
    named = re.match(r"mesh\[([^\]]*)\](?:, device_ids=\([^{}]*\))? \{([^}]*)\}", text)
    if named:
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", named.group(1))}
        axes = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", named.group(2))
        return math.prod(int(part) if part else sizes[name] for name, part in axes)
    first = re.match(r"\{\{([\d,]*)\}", text)
    return len(first.group(1).split(",")) if first else devices
