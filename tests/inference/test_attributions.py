"""Which subsets of modalities are run and reported."""

from mmbm.inference.attributions import all_subsets, reported_subsets


def test_every_subset_up_to_eight_modalities():
    assert all_subsets(["a", "b"]) == [("a",), ("b",), ("a", "b")]
    assert len(reported_subsets([str(i) for i in range(8)])) == 255
    many = [str(i) for i in range(9)]
    assert len(reported_subsets(many)) == 19
    assert reported_subsets(many)[-1] == tuple(many)
