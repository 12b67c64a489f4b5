"""Places for the discrete tokens of many modalities, side by side."""

from collections.abc import Mapping

import numpy as np

from mmjax.schema.bounds import Count

Slots = dict[str, tuple[Count, Count]]  # modality -> (tokens, codes)


def owners(slots: Mapping[str, tuple[int, int]]) -> tuple[int, ...]:
    """Of each place the number of the modality whose it is."""
    return tuple(np.repeat(np.arange(len(slots)), [count for count, _ in slots.values()]).tolist())


def first_codes(slots: Mapping[str, tuple[int, int]]) -> tuple[int, ...]:
    """Of each modality where its codes begin, if those of all stand one behind the other."""
    return tuple(np.cumsum([0, *(codes for _, codes in slots.values())])[:-1].tolist())
