"""Real data sets of this package or of system packages: one call each."""

from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.sets.fillets import FilletsSource
from mmjax.data.sets.furniture import FurnitureSource
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.sets.ldraw import LdrawSource
from mmjax.data.sets.molecule_classes import MoleculeClasses
from mmjax.data.sets.molecules import MoleculesSource
from mmjax.data.sets.mricron import MricronSource
from mmjax.data.sets.samples import SamplesSource
from mmjax.data.sets.tux_paint import TuxPaintSource

__all__ = [
    "BasicMotions",
    "EmojiSource",
    "FilletsSource",
    "FurnitureSource",
    "LdrawSource",
    "MoleculeClasses",
    "MoleculesSource",
    "MricronSource",
    "SamplesSource",
    "ShoulderExercises",
    "TuxPaintSource",
]
