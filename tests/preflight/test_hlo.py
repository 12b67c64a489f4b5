"""Reading the text of compiled programs: shapes, loops, what is run how often."""

import jax
import jax.numpy as jnp
import pytest

from mmjax.preflight import hlo


def compiled_text(f, *args):
    return jax.jit(f).lower(*args).compile().as_text()


def test_shapes_with_layout_tile_and_memory_space():
    a, b = hlo.shapes("(f32[8,128]{1,0:T(8,128)S(1)}, bf16[3,200,5]{0,1,2:T(8,128)(2,1)})")
    assert (a.dtype, a.dims, a.padded, a.space) == ("f32", (8, 128), (8, 128), 1)
    assert a.bytes == a.padded_bytes == 4 * 8 * 128
    # Axis 0 varies fastest, then 1: they lie in tiles of 128 and 8.
    assert (b.padded, b.space) == ((128, 200, 5), 0)
    assert b.bytes == 2 * 3 * 200 * 5
    assert b.padded_bytes == 2 * 128 * 200 * 5
    (scalar,) = hlo.shapes("s32[]")
    assert scalar.dims == ()
    assert scalar.bytes == 4
    (bits,) = hlo.shapes("u4[10]{0}")
    assert bits.bytes == 5


def test_an_instruction_is_taken_apart():
    module = hlo.parse(
        "HloModule m, replica_count=2, num_partitions=4\n"
        "%add (a: f32[], b: f32[]) -> f32[] {\n"
        "  %a = f32[] parameter(0)\n"
        "  %b = f32[] parameter(1)\n"
        "  ROOT %s = f32[] add(%a, %b)\n"
        "}\n"
        "ENTRY %main (x: f32[4]) -> f32[4] {\n"
        "  %x = f32[4]{0} parameter(0)\n"
        "  ROOT %r = f32[4]{0} all-reduce(%x), replica_groups={{0,1},{2,3}}, to_apply=%add, "
        'metadata={op_name="a (b), c=d"}\n'
        "}\n"
    )
    assert module.entry == "main"
    assert module.devices == 8
    root = module.computations["main"].root
    assert (root.opcode, root.operands, root.called) == ("all-reduce", ("x",), ("add",))
    assert root.attribute("replica_groups") == "{{0,1},{2,3}}"
    assert root.attribute("nothing") is None
    assert module.computations["main"].users("x") == [root]


def test_text_without_an_entry_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        hlo.parse("HloModule nothing\n")


@pytest.mark.smoke
def test_a_loop_in_a_loop_runs_by_its_turns():
    def f(x):
        def outer(x, _):
            return jax.lax.scan(lambda y, _: (y @ x, None), x, length=3)[0], None

        return jax.lax.scan(outer, x, length=5)[0]

    module = hlo.parse(compiled_text(f, jnp.ones((8, 8))))
    counts = [
        module.runs[computation.name]
        for computation in module.computations.values()
        for instruction in computation.instructions.values()
        if instruction.opcode == "dot"
    ]
    assert counts == [15]
    assert module.unknown_loops == []


# As compilers leave it that do not write the number of turns down: 10, 13, ..., below 20.
COUNTED = """HloModule m
%condition (state: (s32[], f32[4])) -> pred[] {
  %state.1 = (s32[], f32[4]{0}) parameter(0)
  %i.1 = s32[] get-tuple-element(%state.1), index=0
  %limit = s32[] constant(20)
  ROOT %less = pred[] compare(%i.1, %limit), direction=LT
}
%body (state: (s32[], f32[4])) -> (s32[], f32[4]) {
  %state.2 = (s32[], f32[4]{0}) parameter(0)
  %i.2 = s32[] get-tuple-element(%state.2), index=0
  %x = f32[4]{0} get-tuple-element(%state.2), index=1
  %step = s32[] constant(3)
  %next = s32[] add(%i.2, %step)
  %twice = f32[4]{0} add(%x, %x)
  ROOT %both = (s32[], f32[4]{0}) tuple(%next, %twice)
}
ENTRY %main (x: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  %start = s32[] constant(10)
  %first = (s32[], f32[4]{0}) tuple(%start, %p)
  %loop = (s32[], f32[4]{0}) while(%first), condition=%condition, body=%body
  ROOT %end = f32[4]{0} get-tuple-element(%loop), index=1
}
"""


def test_turns_follow_from_the_counter_where_the_compiler_does_not_say():
    module = hlo.parse(COUNTED)
    assert module.runs == {"condition": 5, "body": 4, "main": 1}
    assert module.unknown_loops == []


def test_a_loop_whose_turns_depend_on_data_is_named():
    text = COUNTED.replace("%start = s32[] constant(10)", "%start = s32[] custom-call(%p)")
    module = hlo.parse(text)
    assert module.unknown_loops == ["main/loop"]
    assert module.runs["body"] == 1
