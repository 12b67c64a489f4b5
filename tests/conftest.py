"""Every test sees eight CPU devices and no network; compiled programs are kept between runs."""

import fcntl
import gc
import os
import subprocess
import sys
import tempfile

# pytest imports it to report what a finished thread left open, and while TFDS is being imported
# every import is a lazy one.
import tracemalloc  # noqa: F401
from importlib.metadata import version
from pathlib import Path

# Both must be set before jax is imported, by this process or by one that a test starts.
os.environ["JAX_PLATFORMS"] = "cpu"
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    ).strip()
# As runs have it (`mmjax.parallel.compiler`): with XLA's default order, the devices of a large
# program may begin collectives in different orders and wait for each other for ever.
if "concurrency_optimized_scheduler" not in os.environ["XLA_FLAGS"]:
    os.environ["XLA_FLAGS"] += " --xla_cpu_enable_concurrency_optimized_scheduler=false"
# Tests run side by side, and threads of BLAS that wait for a busy core spin: a logistic regression
# of 400 rows took thirty times as long with two of them as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "mmjax-test-jax-cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# Nearly all of a test's time is compilation, and most of that is spent on making code fast that
# runs once: by LLVM's optimizations, by several threads for one program, and by XLA's newer
# emitters of loops. XLA's own passes, which decide what is computed and where, are the same
# without them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if "parallel_codegen_split_count" not in os.environ["XLA_FLAGS"]:
    os.environ["XLA_FLAGS"] += " --xla_cpu_parallel_codegen_split_count=1"
    if version("jaxlib").startswith("0.10."):  # later ones end at a flag that they do not know
        os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

import pytest
from hypothesis import settings

pytest_plugins = ("third_party",)

# Compilation makes first examples slow; a deadline would only measure the machine.
settings.register_profile("mmjax", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("mmjax")


@pytest.fixture(scope="module", autouse=True)
def _passed_over_by_the_collector():
    """What a file's tests leave is kept, and not looked through again and again.

    JAX keeps the programs that it traced: millions of objects after some hundred tests, which
    Python's collector would walk through each time.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(config, val, argname):
    """Contents of files get their argument's name: what made them may differ between workers."""
    # A gzip file, for one, holds the second in which it was written, and xdist refuses to start
    # when two workers do not collect the same names.
    return argname if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture
def getkey():
    """A function that returns a fresh jax key at every call, the same sequence in every test."""
    import jax

    count = iter(range(10**6))
    return lambda: jax.random.key(next(count))


@pytest.fixture
def logged():
    """The messages that the package logs during the test, each once, as a list."""
    # Not pytest's `caplog`: whether that hears a logger that does not propagate, as this one does
    # not after a run in the same process, or hears it twice, depends on the tests before.
    import logging

    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("mmjax")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)  # a command that ran in this process may have set the root's
    yield messages
    logger.setLevel(level)
    logger.removeHandler(handler)


@pytest.fixture
def set_flags():
    """`set_flags(name=value, ...)` gives a command's absl flags values, until the test ends."""
    from absl import flags
    from absl.testing import flagsaver

    with flagsaver.flagsaver():
        yield lambda **values: flags.FLAGS(["test", *(f"--{k}={v}" for k, v in values.items())])


# The default recipe on the embedded images, with towers that train in seconds.
TINY_EMOJI = (
    "steps=12",
    "log_every=4",
    "data.batch_size=64",
    "data.views.image.size=16",
    "model.towers.image.encoder.image_size=(16, 16)",
    "model.towers.image.encoder.blocks=(1,)",
    "model.towers.image.encoder.widths=(8,)",
    "model.towers.image.head.dim=16",
    "model.towers.text.encoder.width=16",
    "model.towers.text.encoder.depth=1",
    "model.towers.text.encoder.heads=2",
    "model.towers.text.head.dim=16",
    "optimizer.warmup_steps=2",
    "evaluators={'retrieval': {'new_concepts': {'source': {'type': 'emoji', 'split': "
    "'new_style_new_concepts'}}}, 'geometry': {'new_concepts': {'source': {'type': 'emoji', "
    "'split': 'new_style_new_concepts'}}}, 'zero_shot': {'group': {'source': {'type': 'emoji', "
    "'split': 'new_style_new_concepts'}, 'labels': 'group'}}}",
)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, worker_id):
    """A run of the default recipe as a person starts it, made once for all workers.

    Returns:
      (the recipe's file, the overrides, the folder of the run, what was printed).
    """
    recipe = Path(__file__).parents[1] / "configs" / "clip_uniform.py"
    shared = tmp_path_factory.getbasetemp()
    shared = (shared if worker_id == "master" else shared.parent) / "finished_run"
    shared.mkdir(exist_ok=True)
    said = shared / "said.txt"
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(_train(recipe, shared))
    (folder,) = (shared / "runs").iterdir()
    return str(recipe), TINY_EMOJI, folder, said.read_text()


def _train(recipe, home):
    program = (
        "import runpy, sys\n"
        "sys.argv[0] = 'mmjax'\n"
        "try:\n"
        "    runpy.run_module('mmjax.main', run_name='__main__')\n"
        "finally:\n"
        "    print('imported:', {'tensorflow', 'torch'} & set(sys.modules))\n"
    )
    words = [sys.executable, "-c", program, f"--config={recipe}"]
    words += [f"--config.{override}" for override in TINY_EMOJI]
    done = subprocess.run(words, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- a recipe small enough to be trained many times: two MLPs on Gaussian latents -------------

LATENT = Path(__file__).parents[1] / "configs" / "clip_uniform.py"
# Without evaluators a run is its steps and its checkpoints.
TINY_LATENT = ("steps=100", "checkpoints.every=15", "log_every=20", "evaluators={}")


@pytest.fixture(scope="session")
def tiny():
    """`tiny("key=value", ...)` makes the config of a run of 100 steps that saves every 15."""

    from mmjax import recipe as recipe_lib

    def make(*overrides):
        return recipe_lib.load(f"{LATENT}:latent", (*TINY_LATENT, *overrides))

    return make


@pytest.fixture(scope="session")
def command():
    """`command(folder, "key=value", ...)`: the words that train the same in another process."""

    def make(folder, *overrides):
        settings = [f"--config.{override}" for override in (*TINY_LATENT, *overrides)]
        recipe = [f"--config={LATENT}:latent", f"--workdir={folder}"]
        return [sys.executable, "-m", "mmjax.main", *recipe, *settings]

    return make


@pytest.fixture(scope="session")
def saved():
    """`saved(config, folder, step=None)`: the arrays of a checkpoint by path, in host memory."""
    import jax
    import numpy as np

    from mmjax import places
    from mmjax.checkpoints.store import Store
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib

    def read(config, folder, step=None):
        mesh = mesh_lib.make_mesh(*config.mesh.shape)
        store = Store(places.checkpoints(places.here(folder)))
        state = store.restore(state_lib.abstract(config, state_lib.plan(config, mesh)), step)
        store.close()
        return {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        }

    return read


@pytest.fixture(scope="session")
def resumed_at():
    """`resumed_at(config, folder, step)`: a run `whole`, and one `rest` from a checkpoint of it.

    Gives the summary of the first. Its checkpoint of that step is moved to the other's folder.
    """
    from mmjax.train import trainer

    def both(config, folder, step):
        summary = trainer.train(config, folder / "whole", quiet=True)
        rest = folder / "rest" / "checkpoints"
        rest.mkdir(parents=True)
        for path in (folder / "whole" / "checkpoints").iterdir():
            if path.name == str(step) or not path.name.isdecimal():
                path.rename(rest / path.name)
        kept = (folder / "whole" / "config.json").read_bytes()
        (folder / "rest" / "config.json").write_bytes(kept)
        trainer.train(config, folder / "rest", quiet=True)
        return summary

    return both


@pytest.fixture(scope="session")
def identical():
    """`identical(a, b)`: the names of arrays that are not equal bit by bit."""

    def compare(a, b):
        assert a.keys() == b.keys()
        return [name for name in a if a[name].tobytes() != b[name].tobytes()]

    return compare
