"""What trees read of a representation."""

import numpy as np
import scipy.sparse as sp
import torch

from mmbm.nn.members.trees import Components


def test_components_beyond_the_rank_of_a_representation_say_nothing():
    """Three different texts have three components: more would be rounding, magnified."""
    generator = np.random.default_rng(0)
    few = generator.random((3, 40)).astype(np.float32)[generator.integers(0, 3, 200)]
    for x in (few, sp.csr_matrix(few)):
        reduce = Components()
        z = reduce.fit(x)
        assert (z.std(0) > 0).sum() <= 3
        moved = torch.from_numpy(few) * (1 + 2e-7)
        assert (reduce(moved) - reduce(torch.from_numpy(few))).abs().max() < 1e-3
