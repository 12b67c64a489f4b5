"""Real data sets that are part of the package, or that a system package has: one call each."""

from mmjax.data.sets.fillets import FilletsSource
from mmjax.data.sets.furniture import FurnitureSource
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.sets.ldraw import LdrawSource
from mmjax.data.sets.molecules import MoleculesSource
from mmjax.data.sets.mricron import MricronSource
from mmjax.data.sets.samples import SamplesSource
from mmjax.data.sets.tux_paint import TuxPaintSource

# The names that `type=` of a source may have in a recipe; `mmjax.data.sources.SOURCES` has them.
SETS = {
    "basic_motions": BasicMotions,
    "fillets": FilletsSource,
    "furniture": FurnitureSource,
    "ldraw": LdrawSource,
    "molecules": MoleculesSource,
    "mricron": MricronSource,
    "samples": SamplesSource,
    "shoulder_exercises": ShoulderExercises,
    "tux_paint": TuxPaintSource,
}

__all__ = [
    "SETS",
    "BasicMotions",
    "FilletsSource",
    "FurnitureSource",
    "LdrawSource",
    "MoleculesSource",
    "MricronSource",
    "SamplesSource",
    "ShoulderExercises",
    "TuxPaintSource",
]
