"""Import and export of weights, in the layouts of Hugging Face's `transformers` and of `open_clip`.

Each family is a file (`clip`, `siglip`, `vit`, `dinov2`, `bert`, `open_clip`, ...) that turns a
folder's config into specs of our encoders and a key map, which reading and writing share.
"""

from mmjax.weights.files import Folder, WeightsError

__all__ = ["Folder", "WeightsError"]
