"""Real data sets that are part of the package, or that a system package has: one call each."""

from mmjax.data.sets.furniture import FurnitureSource
from mmjax.data.sets.molecules import MoleculesSource

# The names that `type=` of a source may have in a recipe; `mmjax.data.sources.SOURCES` has them.
SETS = {
    "furniture": FurnitureSource,
    "molecules": MoleculesSource,
}

__all__ = ["SETS", "FurnitureSource", "MoleculesSource"]
