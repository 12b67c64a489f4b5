"""Counting what a compiled program does, against what it is known to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding

from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import hlo, hlo_collectives, hlo_cost


def cost(f, *args, **options):
    text = jax.jit(f, **options).lower(*args).compile().as_text()
    return hlo_cost.cost(hlo.parse(text))


@pytest.mark.smoke
def test_a_scanned_body_counts_by_its_turns():
    def f(x, w):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]

    x, w = jnp.ones((16, 32)), jnp.ones((7, 32, 32))
    counted = cost(f, x, w)
    assert counted.flops == 7 * 2 * 16 * 32 * 32
    # What XLA says of the same program: the body once.
    stated = jax.jit(f).lower(x, w).compile().cost_analysis()["flops"]
    assert stated < counted.flops / 3


def test_its_gradient_with_recomputation_takes_four_products():
    @jax.checkpoint
    def layer(x, w):
        return jnp.tanh(x @ w), None

    def f(x, w):
        return jax.lax.scan(layer, x, w)[0].sum()

    counted = cost(jax.grad(f, argnums=1), jnp.ones((16, 32)), jnp.ones((7, 32, 32)))
    # Forward, forward again, by x and by w.
    assert counted.flops == 4 * 7 * 2 * 16 * 32 * 32


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_convolution_counts_the_numbers_that_meet(padding):
    def f(x, w):
        return jax.lax.conv_general_dilated(
            x, w, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    x, w = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
    # Without padding 6 x 6 windows meet all of their 9; with it 8 x 8, less what hangs over.
    meetings = 6 * 6 * 9 if padding == "VALID" else (3 * 8 - 2) ** 2
    assert cost(f, x, w).flops == 2 * 2 * meetings * 3 * 5


def test_window_meetings_by_hand():
    count = hlo_cost.window_meetings.__wrapped__
    assert count(4, 1, 4, 1, 0, 1, 1) == 4
    # Holes between the inputs: a _ b _ c, three outputs of windows of two.
    assert count(3, 2, 4, 1, 0, 2, 1) == 4
    # A batch axis as a TPU writes it: each output meets one input.
    assert count(6, 6, 6, 5, 0, 6, 1) == 6


# A TPU's way: batches of products as a convolution over dilated axes.
BATCHED = """HloModule m
ENTRY %main (a: f32[6,4,8], b: f32[6,8,16]) -> f32[6,4,16] {
  %a = f32[6,4,8]{2,1,0} parameter(0)
  %b = f32[6,8,16]{2,1,0} parameter(1)
  ROOT %c = f32[6,4,16]{2,1,0} convolution(%a, %b), window={size=6 stride=5 lhs_dilate=6}, \
dim_labels=0bf_0io->0bf
}
"""


def test_a_batch_of_products_written_as_a_convolution():
    assert hlo_cost.cost(hlo.parse(BATCHED)).flops == 2 * 6 * 4 * 8 * 16


FUSED = """HloModule m
%inside (big: f32[10,1024], i: s32[]) -> f32[1,1024] {
  %big = f32[10,1024]{1,0:T(8,128)} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %part = f32[1,1024]{1,0:T(8,128)} dynamic-slice(%big, %i, %zero), dynamic_slice_sizes={1,1024}
  ROOT %twice = f32[1,1024]{1,0:T(8,128)} add(%part, %part)
}
ENTRY %main (big: f32[10,1024], i: s32[]) -> f32[1,1024] {
  %b = f32[10,1024]{1,0:T(8,128)} parameter(0)
  %j = s32[]{:T(128)S(6)} parameter(1)
  %near = f32[1,1024]{1,0:T(8,128)S(1)} fusion(%b, %j), kind=kLoop, calls=%inside
  ROOT %out = f32[1,1024]{1,0:T(8,128)} negate(%near)
}
"""


def test_memory_is_what_goes_to_and_from_main_memory():
    counted = hlo_cost.cost(hlo.parse(FUSED))
    # The fusion reads one row of ten; what it makes stays in VMEM, and the negation writes a row.
    assert counted.useful_memory == 2 * 4 * 1024
    # A row lies in tiles of eight.
    assert counted.memory == 8 * counted.useful_memory


@pytest.fixture(scope="module")
def mesh():
    return mesh_lib.make_mesh(data=4, fsdp=2)


def put(shape, *spec, mesh):
    return jax.ShapeDtypeStruct(
        shape, np.float32, sharding=NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))
    )


def test_collectives_of_a_sharded_product(mesh):
    whole = NamedSharding(mesh, jax.sharding.PartitionSpec())
    counted = cost(
        lambda x, w: x @ w,
        put((16, 64), None, "fsdp", mesh=mesh),
        put((64, 32), "fsdp", mesh=mesh),
        out_shardings=whole,
    )
    (one,) = counted.collectives
    assert (one.kind, one.group, one.runs) == ("all-reduce", 2, 1)
    assert one.bytes == 4 * 16 * 32
    # Over a ring of n, a sum sends its array 2 (n - 1) / n times.
    assert one.sent == one.bytes
    assert counted.by_kind() == {"all-reduce": (1, one.bytes, one.sent)}
    assert counted.flops == 2 * 16 * 32 * 32


def test_a_gather_and_a_hop_in_a_loop(mesh):
    axes = ("data", "fsdp")

    def device(x):
        def turn(y, _):
            return jax.lax.ppermute(y, "data", [(i, (i + 1) % 4) for i in range(4)]), None

        y, _ = jax.lax.scan(turn, x, length=3)
        return jax.lax.all_gather(y * 2, axes, tiled=True)

    f = jax.shard_map(device, mesh=mesh, in_specs=jax.P(axes), out_specs=jax.P(), check_vma=False)
    counted = cost(f, put((64, 8), axes, mesh=mesh)).by_kind()
    assert counted["collective-permute"] == (3, 3 * 4 * 8 * 8, 3 * 4 * 8 * 8)
    whole = 4 * 64 * 8
    assert counted["all-gather"] == (1, whole, whole * 7 / 8)


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("replica_groups={{0,1,2,3},{4,5,6,7}}", 4),
        ("replica_groups=[4,2]<=[8]", 2),
        ("replica_groups=[2,4]<=[4,2]T(1,0)", 4),
        ("replica_groups={}", 8),
        ("replica_groups=mesh['data'=4,'fsdp'=2] {'data'}", 4),
        ("replica_groups=mesh['x'=8] {'x':(2)4}", 4),
        ("source_target_pairs={{0,1},{1,2},{2,0}}", 3),
    ],
)
def test_groups_in_every_way_of_writing_them(groups, size):
    (instruction,) = (
        hlo.parse(
            f"HloModule m\nENTRY %e (x: f32[4]) -> f32[4] {{\n"
            f"  ROOT %r = f32[4]{{0}} all-reduce(%x), {groups}, channel_id=1\n}}\n"
        )
        .computations["e"]
        .instructions.values()
    )
    assert hlo_collectives.group_size(instruction, 8) == size


KERNEL = """HloModule step

ENTRY %main (x: bf16[8,256]) -> bf16[8,256] {
  %x = bf16[8,256]{1,0:T(8,128)} parameter(0)
  ROOT %own.1 = bf16[8,256]{1,0:T(8,128)} custom-call(%x), custom_call_target="tpu_custom_call", \
backend_config={"custom_call_config":{"body":"TUzv=="SAID}}
}
"""


def test_a_kernel_says_its_products_itself():
    said = ',"cost_estimate":{"flops":"4096","transcendentals":"0","bytes_accessed":"8192"}'
    counted = hlo_cost.cost(hlo.parse(KERNEL.replace("SAID", said)))
    assert counted.flops == 4096
    assert counted.memory == 2 * 2 * 8 * 256
    with pytest.raises(NotImplementedError, match=r"own\.1: the kernel does not say its FLOPs"):
        hlo_cost.cost(hlo.parse(KERNEL.replace("SAID", "")))
