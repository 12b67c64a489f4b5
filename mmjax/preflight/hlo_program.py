"""A compiled XLA program as a small structure: computations, instructions, how often each is run.

XLA's own cost analysis counts the body of a loop once, however often it runs. The bounds of loops
stand in the program's text, so `Module.runs` finds them. `hlo.parse` makes the structure of a text.
"""

import dataclasses
import math
import re
from functools import cached_property

BITS = {
    "pred": 8,
    "s2": 2,
    "u2": 2,
    "s4": 4,
    "u4": 4,
    "s8": 8,
    "u8": 8,
    "s16": 16,
    "u16": 16,
    "s32": 32,
    "u32": 32,
    "s64": 64,
    "u64": 64,
    "f16": 16,
    "bf16": 16,
    "f32": 32,
    "f64": 64,
    "c64": 64,
    "c128": 128,
    "token": 0,
    "opaque": 0,
}

NAME = re.compile(r"%([\w.-]+)")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation|called_computations"
    r"|branch_computations)=(\{[^}]*\}|%[\w.-]+)"
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """One array: `f32[8,128]{1,0:T(8,128)S(1)}`.

    Attributes:
      dtype: XLA's name of it.
      dims: sizes.
      padded: sizes of the axes as they lie in memory, each a multiple of the tile's.
      space: memory space; 0 is the device's main memory (HBM), 1 a TPU's VMEM.
    """

    dtype: str
    dims: tuple[int, ...]
    padded: tuple[int, ...]
    space: int

    @property
    def bytes(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.dims) * self._bits // 8

    @property
    def padded_bytes(self) -> int:
        """Bytes in memory, with the padding to whole tiles."""
        return math.prod(self.padded) * self._bits // 8

    @property
    def _bits(self) -> int:
        # Types of eight bits have many names, f8e4m3fn and so on.
        return BITS.get(self.dtype, 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name: unique in its computation.
      shapes: of the result; more than one for a tuple, nested ones flattened.
      opcode: such as `dot` or `all-gather-start`.
      operands: names of instructions of the same computation.
      text: what stands in the parentheses of the operands, for constants and parameters.
      attributes: the rest of the line.
      root: whether it is the computation's result.
    """

    name: str
    shapes: tuple[Shape, ...]
    opcode: str
    operands: tuple[str, ...]
    text: str
    attributes: str
    root: bool

    @cached_property
    def called(self) -> tuple[str, ...]:
        """Names of the computations that it runs."""
        return tuple(
            name for group in _CALLED.findall(self.attributes) for name in NAME.findall(group)
        )

    def attribute(self, name: str) -> str | None:
        """The text of `name=...` among the attributes, up to the next comma outside of brackets."""
        found = re.search(rf"(?:^|[ ,]){name}=", self.attributes)
        return None if found is None else _until_comma(self.attributes[found.end() :])


@dataclasses.dataclass(frozen=True)
class Computation:
    """A named list of instructions, in the order in which they run."""

    name: str
    instructions: dict[str, Instruction]

    @cached_property
    def root(self) -> Instruction:
        return next(i for i in reversed(self.instructions.values()) if i.root)

    @cached_property
    def parameters(self) -> dict[int, Instruction]:
        return {int(i.text): i for i in self.instructions.values() if i.opcode == "parameter"}

    def users(self, name: str) -> list[Instruction]:
        """The instructions that take `name` as an operand."""
        return self._users.get(name, [])

    @cached_property
    def _users(self) -> dict[str, list[Instruction]]:
        users: dict[str, list[Instruction]] = {}
        for instruction in self.instructions.values():
            for name in set(instruction.operands):
                users.setdefault(name, []).append(instruction)
        return users

    def operand(self, instruction: Instruction, index: int) -> Instruction:
        """The instruction that makes an operand."""
        return self.instructions[instruction.operands[index]]


@dataclasses.dataclass(frozen=True)
class Module:
    """A whole program of one device.

    Attributes:
      computations: by name.
      entry: name of the one that is run.
      devices: how many devices run it.
    """

    computations: dict[str, Computation]
    entry: str
    devices: int

    @cached_property
    def runs(self) -> dict[str, int]:
        """How often each computation is run: a loop's body as often as the loop turns.

        Both branches of a conditional count as run. A loop whose number of turns cannot be found
        counts once, and is in `unknown_loops`.
        """
        counts = dict.fromkeys(self.computations, 0)

        def add(name: str, times: int) -> None:
            counts[name] += times
            computation = self.computations[name]
            for instruction in computation.instructions.values():
                if instruction.opcode == "while":
                    turns = self.turns(computation, instruction) or 1
                    add(_callee(instruction, "condition"), times * (turns + 1))
                    add(_callee(instruction, "body"), times * turns)
                else:
                    for called in instruction.called:
                        add(called, times)

        add(self.entry, 1)
        return counts

    @cached_property
    def unknown_loops(self) -> list[str]:
        """Names of loops that run a number of times that the text does not tell."""
        return [
            f"{computation.name}/{instruction.name}"
            for computation in self.computations.values()
            for instruction in computation.instructions.values()
            if instruction.opcode == "while"
            and self.runs[computation.name]
            and self.turns(computation, instruction) is None
        ]

    def turns(self, computation: Computation, loop: Instruction) -> int | None:
        """How often a `while` turns: as XLA says, or by its counter; None if neither tells.

        The counter is an element of the loop's state that starts at a constant, to which the body
        adds a constant, and that the condition compares with a constant (`<`).
        """
        known = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.attributes)
        if known:
            return int(known.group(1))
        condition = self.computations[_callee(loop, "condition")]
        compared = self._compare(condition)
        if compared is None:
            return None
        index, limit = compared
        start = self._constant(computation, computation.operand(loop, 0), index)
        body = self.computations[_callee(loop, "body")]
        step = self._step(body, index)
        if start is None or step is None or step < 1:
            return None
        return max(0, -(-(limit - start) // step))

    def _compare(self, condition: Computation) -> tuple[int, int] | None:
        """(index in the state, limit) of a condition `state[index] < limit`."""
        root, where, arguments = condition.root, condition, None
        if root.opcode == "fusion":
            where = self.computations[root.called[0]]
            root, arguments = where.root, root.operands
        if root.opcode != "compare" or root.attribute("direction") != "LT":
            return None
        sides = []
        for name in root.operands:
            instruction = where.instructions[name]
            if instruction.opcode == "parameter" and arguments is not None:
                instruction = condition.instructions[arguments[int(instruction.text)]]
            sides.append(_through(where, instruction))
        counter, limit = sides
        index = counter.attribute("index")
        if counter.opcode != "get-tuple-element" or limit.opcode != "constant" or index is None:
            return None
        return int(index), int(limit.text)

    def _step(self, body: Computation, index: int) -> int | None:
        """What the body adds to element `index` of its state."""
        value = self._element(body, body.root, index)
        if value is None:
            return None
        where, arguments = body, None
        if value.opcode == "fusion" and len(value.shapes) == 1:
            where, arguments = self.computations[value.called[0]], value.operands
            value = _through(where, where.root)
        if value.opcode != "add":
            return None
        steps: list[Instruction] = []
        counters: list[Instruction] = []
        for name in value.operands:
            operand = _through(where, where.instructions[name])
            if operand.opcode == "parameter" and arguments is not None:
                operand = _through(body, body.instructions[arguments[int(operand.text)]])
            (steps if operand.opcode == "constant" else counters).append(operand)
        if len(steps) != 1 or counters[0].attribute("index") != str(index):
            return None
        return int(steps[0].text)

    def _constant(self, where: Computation, state: Instruction, index: int) -> int | None:
        value = self._element(where, state, index)
        return int(value.text) if value is not None and value.opcode == "constant" else None

    def _element(self, where: Computation, state: Instruction, index: int) -> Instruction | None:
        state = _through(where, state)
        if state.opcode != "tuple" or index >= len(state.operands):
            return None
        return _through(where, where.instructions[state.operands[index]])


def _until_comma(text: str) -> str:
    depth = 0
    for place, character in enumerate(text):
        if character in "{[(":
            depth += 1
        elif character in "}])":
            depth -= 1
        elif character == "," and depth == 0:
            return text[:place]
    return text


def _callee(instruction: Instruction, name: str) -> str:
    return (instruction.attribute(name) or "").removeprefix("%")


def _through(where: Computation, instruction: Instruction) -> Instruction:
    """What an instruction copies or renames."""
    while instruction.opcode in ("copy", "bitcast", "copy-done", "copy-start", "reshape"):
        instruction = where.operand(instruction, 0)
    return instruction
