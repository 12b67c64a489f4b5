"""A table of learned vectors gives the row of a number, and only of one that it has."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders import Lookup


def test_rows_of_the_table_by_their_numbers():
    encoder = Lookup(size=5, width=3, dtype=jnp.float32, rngs=nnx.Rngs(0))
    table = np.asarray(encoder.table[...])
    for kind in (np.int32, np.float32):
        found = encoder(jnp.asarray([4, 0, 4], kind)).pooled
        np.testing.assert_array_equal(found, table[[4, 0, 4]])
    assert np.isnan(encoder(jnp.asarray([5, -1])).pooled).all()
