"""What a head promises: losses that match torch's, answers in the user's own unit."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmbm.kinds.category.head import CategoryHead
from mmbm.kinds.category.spec import CategoryTarget
from mmbm.kinds.labels.head import LabelsHead
from mmbm.kinds.labels.spec import LabelsTarget
from mmbm.kinds.number.head import NumberHead
from mmbm.kinds.number.spec import NumberTarget
from mmbm.kinds.transcript.head import TranscriptHead
from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.layers.batch import Context, Field, Tokens
from mmbm.layers.blocks import valid
from mmbm.layers.target import Parts


def field(values, present=None):
    values = torch.as_tensor(values)
    if present is None:
        present = [True] * len(values)
    return Field(values, torch.ones(len(values), dtype=torch.int64), torch.tensor(present))


def category(**options):
    column = SimpleNamespace(state={"values": ["a", "b", "c"], "counts": [60, 30, 10]})
    return CategoryHead(CategoryTarget(**options), column, 4)  # type: ignore[arg-type]


def number(**options):
    column = SimpleNamespace(state={"mean": 50.0, "std": 10.0})
    return NumberHead(NumberTarget(**options), column, 4)  # type: ignore[arg-type]


def test_the_loss_of_a_class_is_softmax_cross_entropy():
    logits = torch.randn(3, 3)
    expected = F.cross_entropy(logits, torch.tensor([0, 1, 2]), reduction="none")
    assert torch.allclose(category().loss(logits, field([1, 2, 3])), expected)


def test_balanced_class_weights_make_rare_classes_count_more():
    logits = torch.zeros(3, 3)
    loss = category(class_weights="balanced").loss(logits, field([1, 2, 3]))
    assert loss[2] / loss[0] == pytest.approx(6.0)
    assert loss[1] / loss[0] == pytest.approx(2.0)


def test_label_smoothing_keeps_a_sure_answer_from_being_free():
    sure = torch.tensor([[20.0, 0.0, 0.0]])
    assert category().loss(sure, field([1])) < 1e-3
    assert category(label_smoothing=0.1).loss(sure, field([1])) > 1.0


@pytest.mark.parametrize("classes", [[0, 0], [1, 0]])
def test_an_unseen_class_or_an_empty_cell_teaches_nothing(classes):
    present = [True, False]
    loss = category().loss(torch.randn(2, 3), field(classes, present))
    assert loss[1] == 0
    assert (loss[0] == 0) == (classes[0] == 0)


def test_the_prior_of_a_class_is_how_often_it_occurs():
    assert category().prior.tolist() == pytest.approx([0.6, 0.3, 0.1])


def test_a_temperature_above_one_makes_answers_less_sure_and_keeps_their_order():
    answer = torch.tensor([[0.7, 0.2, 0.1]])
    softer = CategoryHead.temper(answer, torch.tensor(2.0))
    assert softer[0, 0] < 0.7
    assert softer.argsort().tolist() == answer.argsort().tolist()
    assert torch.allclose(CategoryHead.temper(answer, torch.tensor(1.0)), answer, atol=1e-6)


@pytest.mark.parametrize(("loss", "expected"), [("mse", 4.0), ("l1", 2.0), ("huber", 1.5)])
def test_the_loss_of_a_number_is_in_standard_deviations(loss, expected):
    goal = field(torch.tensor([70.0], dtype=torch.float64))  # two above the mean
    assert number(loss=loss).loss(torch.zeros(1, 1), goal).item() == pytest.approx(expected)


def test_a_number_is_answered_in_its_own_unit():
    head = number()
    assert head.answer(torch.tensor([[0.0], [1.5]])).flatten().tolist() == [50.0, 65.0]
    assert head.prior.item() == 50.0


def test_the_logarithm_of_a_number_is_undone():
    column = SimpleNamespace(state={"mean": 2.0, "std": 1.0})
    head = NumberHead(NumberTarget(log=True), column, 4)  # type: ignore[arg-type]
    expected = torch.expm1(torch.tensor(3.0)).item()
    assert head.answer(torch.tensor([[1.0]])).item() == pytest.approx(expected)


def test_the_loss_of_labels_is_a_binary_cross_entropy_each():
    column = SimpleNamespace(state={"values": ["x", "y"], "counts": [5, 1], "rows": 10})
    head = LabelsHead(LabelsTarget(), column, 4)  # type: ignore[arg-type]
    logits, goal = torch.randn(2, 2), torch.tensor([[1, 0], [1, 1]], dtype=torch.uint8)
    expected = F.binary_cross_entropy_with_logits(logits, goal.float(), reduction="none").mean(-1)
    loss = head.loss(logits, field(goal, [True, False]))
    assert loss[0] == pytest.approx(expected[0].item())
    assert loss[1] == 0
    assert head.prior.tolist() == pytest.approx([0.5, 0.1])


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
