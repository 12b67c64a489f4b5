"""The small recipe that the tests of launchers train."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "configs" / "clip_uniform.py"
SETTINGS = ("log_every=1", "checkpoints.every=6", "evaluators={}")

# The same config, of which a step takes so long that a test can meet the run in the middle.
UNHURRIED = f"""
import importlib.util, time
from mmjax.train import step

spec = importlib.util.spec_from_file_location("recipe", {str(RECIPE)!r})
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)
get_config, make = recipe.get_config, step.make

def slow(*args):
    call = make(*args)
    return lambda *now: (time.sleep(0.5), call(*now))[1]

step.make = slow
"""
