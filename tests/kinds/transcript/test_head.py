"""The head of a transcript: the loss of CTC, and rows that teach nothing."""

from types import SimpleNamespace

import pytest
import torch

from mmbm.kinds.transcript.head import TranscriptHead
from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.layers.batch import Context, Field, Tokens
from mmbm.layers.blocks import valid
from mmbm.layers.target import Parts


def transcript():
    column = SimpleNamespace(state={"values": ["", "?", "a", "b"]})
    return TranscriptHead(TranscriptTarget(input="speech"), column, Parts(4, [], 32, [], {}))  # type: ignore[arg-type]


def heard(x, lengths, present=None):
    keep = valid(torch.tensor(lengths), x.shape[1])
    known = torch.tensor(present or [True] * len(x))
    return Context({"speech": Tokens(x * keep[..., None], keep)}, {"speech": known}, None, {})


def text(*rows, present=None):
    lengths = torch.tensor([len(row) for row in rows])
    values = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int32)
    for i, row in enumerate(rows):
        values[i, : len(row)] = torch.tensor(row)
    return Field(values, lengths, torch.tensor(present or [True] * len(rows)))


def test_the_loss_of_a_transcript_is_that_of_its_probability_per_token():
    from mmbm.kinds.transcript.ctc import align

    head, x = transcript(), torch.randn(2, 6, 4)
    context, rows = heard(x, [6, 4]), ([2, 3, 2], [3, 3])
    p = head(context).detach().double().numpy()
    expected = [-align(p[i, :n], row)[0] / len(row) for i, (n, row) in enumerate(zip((6, 4), rows))]
    loss = head.loss(context, text(*rows), 0.3)
    assert loss.item() == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_a_transcript_has_no_probabilities_where_there_is_no_sound():
    p = transcript()(heard(torch.randn(2, 5, 4), [3, 5], [True, False]))
    assert torch.allclose(p[0, :3].sum(-1), torch.ones(3))
    assert not p[0, 3:].any()
    assert not p[1].any()


def test_without_sound_or_text_or_room_for_it_nothing_is_taught():
    head, x = transcript(), torch.randn(4, 5, 4)
    context = heard(x, [5, 5, 5, 3], [True, False, True, True])
    target = text([2, 3], [2], [0], [2, 2, 2], present=[True, True, False, True])
    loss = head.loss(context, target, 0.3)
    alone = head.loss(heard(x[:1], [5]), text([2, 3]), 0.3)
    assert loss.item() == pytest.approx(alone.item() / 2)  # of two rows that have both, one fits
    loss.backward()
    assert torch.isfinite(head.output.weight.grad).all()
