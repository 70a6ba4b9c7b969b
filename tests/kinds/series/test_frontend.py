"""What a network and classical members see of a series: Che et al. 2018, step by step."""

import math

import numpy as np
import pytest
import torch

from mmbm.kinds.column import collate
from mmbm.kinds.series.column import SeriesColumn
from mmbm.kinds.series.frontend import SeriesFrontend, Steps, statistics
from mmbm.kinds.series.representation import SeriesRepresentation
from mmbm.kinds.series.spec import SeriesAugment, SeriesSpec
from mmbm.layers.batch import Field

CELLS = [
    "time,a,b\n0,1,\n1,,5\n4,3,\n",
    "time,a,b\n0,,\n2,2,7\n",
    "time,a,b\n10,5,\n",
    "time,a,b\n" + "\n".join(f"{i / 2},{i % 5},{'' if i % 3 else i}" for i in range(37)),
]


def made(cells=CELLS, **options):
    spec = SeriesSpec(**options)
    column = SeriesColumn(spec)
    column.fit(CELLS)
    arrays = collate(column.storage, [column.decode(cell) for cell in cells])
    return spec, column, Field(*map(torch.from_numpy, arrays))


def test_the_latest_step_with_a_value_is_that_of_a_loop():
    spec, column, field = made()
    steps = Steps(spec, column)
    _, _, known, _ = steps(field)
    place = steps.last(known)
    for row in range(len(known)):
        for c in range(2):
            latest = -1
            for t in range(known.shape[1]):
                latest = t if known[row, t, c] else latest
                assert place[row, t, c] == latest


def test_a_value_is_held_and_decays_to_the_mean_while_none_comes():
    spec, column, field = made(CELLS[:1])
    front = SeriesFrontend(spec, column).eval()
    x = front(field).x[0].detach()  # [3, 3 C + 2 + …]
    z = (1 - column.state["mean"][0]) / column.state["std"][0]
    rate = math.log1p(math.exp(-3))
    gap = column.state["gap"]
    assert x[0, 0] == pytest.approx(z, rel=1e-5)
    assert x[1, 0] == pytest.approx(z * math.exp(-rate / gap), rel=1e-5)
    assert x[:, 2].tolist() == [1, 0, 1]  # the mask of a
    assert x[:, 4].tolist() == pytest.approx([0, math.log1p(1 / gap), 0])  # how long ago a was
    assert x[0, 1] == 0  # b has no value yet: the mean
    assert x[:, 6].tolist() == pytest.approx([0, math.log1p(1 / gap), math.log1p(3 / gap)])


def test_statistics_are_those_of_numpy_over_what_was_measured():
    spec, column, field = made()
    _, z, known, _ = Steps(spec, column)(field)
    found = [part.numpy() for part in statistics(z, known)]
    for row in range(len(CELLS)):
        for c in range(2):
            values = z[row, :, c][known[row, :, c]].numpy()
            if not len(values):
                assert all(part[row, c] == 0 for part in found)
                continue
            expected = [math.log1p(len(values)), values.mean(), math.sqrt(values.var() + 1e-6),
                        values.min(), values.max(), values[0], values[-1]]  # fmt: skip
            np.testing.assert_allclose([part[row, c] for part in found], expected, atol=1e-5)


def test_padding_changes_neither_the_statistics_nor_a_step():
    spec, column, together = made()
    front, fixed = SeriesFrontend(spec, column).eval(), SeriesRepresentation("x", spec, column)
    whole, raw = front(together).x, fixed.raw({"x": together})
    for row, cell in enumerate(CELLS):
        _, _, alone = made([cell])
        size = alone.values.shape[1]
        assert (whole[row, :size] - front(alone).x[0]).abs().max() <= 1e-6
        assert (whole[row, size:] == 0).all()
        assert (raw[row] - fixed.raw({"x": alone})[0]).abs().max() <= 1e-6


def test_classical_features_lie_on_a_grid_so_that_machines_agree():
    spec, column, field = made()
    raw = SeriesRepresentation("x", spec, column).raw({"x": field})
    assert raw.shape == (len(CELLS), 8 * 2 + 2)
    assert torch.equal((raw * 2**12).round(), raw * 2**12)


def test_values_are_hidden_at_random_in_training_only():
    torch.manual_seed(0)
    spec, column, field = made([CELLS[3]] * 200, augment=SeriesAugment(value_dropout=0.3))
    steps = Steps(spec, column)
    there = steps.eval()(field)[2].sum()
    hidden = 1 - steps.train()(field)[2].sum() / there
    assert 0.25 < hidden < 0.35
    assert spec.augments
    assert not SeriesSpec().augments


def test_an_encoder_that_reads_no_series_is_refused():
    with pytest.raises(ValueError, match="pretrained reads no series; use rnn, transformer, tcn"):
        SeriesSpec(encoder={"kind": "pretrained", "model": "x"})  # type: ignore[arg-type]
