"""Real data sets that are part of the package, or that a system package has: one call each."""

from mmjax.data.sets.furniture import FurnitureSource
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.sets.ldraw import LdrawSource
from mmjax.data.sets.molecules import MoleculesSource
from mmjax.data.sets.mricron import MricronSource

# The names that `type=` of a source may have in a recipe; `mmjax.data.sources.SOURCES` has them.
SETS = {
    "basic_motions": BasicMotions,
    "furniture": FurnitureSource,
    "ldraw": LdrawSource,
    "molecules": MoleculesSource,
    "mricron": MricronSource,
    "shoulder_exercises": ShoulderExercises,
}

__all__ = [
    "SETS",
    "BasicMotions",
    "FurnitureSource",
    "LdrawSource",
    "MoleculesSource",
    "MricronSource",
    "ShoulderExercises",
]
