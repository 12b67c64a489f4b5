"""The latent recipe on data of which some rows cannot be read; a recipe file of its own words."""

import os

from mmjax.configs import clip_uniform
from mmjax.data import SOURCES, BadExample
from mmjax.data.synthetic.latent import GaussianLatentSource


class Unreadable(GaussianLatentSource):
    """The Gaussian latent, of which `percent` % of the rows cannot be read.

    Args:
      percent: of the rows.
      process: in which process of the run alone; -1 is every one.
    """

    def __init__(self, *, percent: int = 0, process: int = -1):
        super().__init__()
        self.percent, self.process = percent, process

    def __getitem__(self, index):
        here = self.process in (-1, int(os.environ.get("JAX_PROCESS_ID", "0")))
        if here and index % 100 < self.percent:
            raise BadExample(f"row {index}", "a", f"the file a/{index}.png does not exist")
        return super().__getitem__(index)


SOURCES.register("unreadable", Unreadable)


def get_config(variant="latent"):
    config = clip_uniform.get_config(variant)
    config.data.source = {"type": "unreadable", "percent": 0}
    return config
