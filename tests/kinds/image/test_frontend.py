"""Pixels become numbers, and augmentation changes them in training only."""

import torch
from battery import column, field
from frontends import example, make

from mmbm.kinds.image.frontend import ImageFrontend
from mmbm.kinds.image.spec import ImageAugment, ImageSpec
from mmbm.layers.batch import Field
from mmbm.layers.blocks import MaskedBatchNorm

EVERYTHING = ImageAugment(flip=True, crop=0.3, random_erasing=0.5)


def ramp(rows: int) -> torch.Tensor:
    """Rows of one picture whose pixels all differ. [B, 8, 10, 1]"""
    return torch.arange(80, dtype=torch.uint8).view(1, 8, 10, 1).expand(rows, -1, -1, -1)


def test_pixels_become_about_zero_mean_and_unit_range():
    x = make("image")(field(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))).x
    assert x.flatten().tolist() == [-2.0, 2.0]


def test_a_picture_stays_channels_last_in_memory():
    x = make("image")(example("image", [1, 1])).x
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_absent_pictures_do_not_move_the_statistics_of_the_batch():
    pixels = torch.randint(0, 256, (4, 12, 12, 3), dtype=torch.uint8)
    means = []
    for cells, present in ((pixels[[0, 2]], [True] * 2), (pixels, [True, False] * 2)):
        cells = cells * torch.tensor(present)[:, None, None, None]  # absent cells hold zeros
        front, norm = make("image").train(), MaskedBatchNorm(3)
        norm(front(field(cells)._replace(present=torch.tensor(present))).x)
        means.append(norm.running_mean)
    assert torch.allclose(*means)


def test_a_batch_without_any_picture_goes_through():
    front = make("image").train()
    none = Field(torch.zeros(3, 12, 12, 3), torch.ones(3), torch.zeros(3, dtype=torch.bool))
    assert front(none).x.isfinite().all()


def test_augmentation_does_nothing_in_evaluation():
    plain = ImageFrontend(ImageSpec(channels=1), column()).eval()
    front = ImageFrontend(ImageSpec(channels=1, augment=EVERYTHING), column()).eval()
    assert torch.equal(front(field(ramp(4))).x, plain(field(ramp(4))).x)


def test_augmentation_draws_for_each_row_and_repeats_with_the_seed():
    front = ImageFrontend(ImageSpec(channels=1, augment=EVERYTHING), column()).train()
    torch.manual_seed(3)
    first = front(field(ramp(32))).x
    torch.manual_seed(3)
    again = front(field(ramp(32))).x
    assert torch.equal(first, again)
    assert len({row.numpy().tobytes() for row in first}) > 16


def test_flip_mirrors_about_half_of_the_rows_and_changes_nothing_else():
    torch.manual_seed(0)
    front = ImageFrontend(ImageSpec(channels=1, augment=ImageAugment(flip=True)), column()).train()
    out, plain = front(field(ramp(400))).x, front.eval()(field(ramp(1))).x[0]
    mirrored = sum(torch.equal(row, plain.flip(-1)) for row in out)
    kept = sum(torch.equal(row, plain) for row in out)
    assert mirrored + kept == 400
    assert 150 < mirrored < 250


def test_crop_shifts_and_repeats_the_edge():
    torch.manual_seed(0)
    front = ImageFrontend(ImageSpec(channels=1, augment=ImageAugment(crop=0.25)), column()).train()
    out = front(field(ramp(200))).x * 63.75 + 127.5  # [B, 1, 8, 10], pixels 0..79
    down, across = out[:, 0, :, 5] // 10, out[:, 0, 4, :] % 10
    for lines, moved in ((down, 2), (across, 2)):
        steps = lines.diff(dim=1)
        assert set(steps.unique().tolist()) <= {0.0, 1.0}  # in order, edges repeated
        middle = lines[:, lines.shape[1] // 2] - lines.shape[1] // 2
        assert middle.abs().max() == moved


def test_erase_blanks_a_rectangle_in_a_part_of_the_rows():
    torch.manual_seed(0)
    spec = ImageSpec(channels=1, augment=ImageAugment(random_erasing=0.4))
    front = ImageFrontend(spec, column()).train()
    white = torch.full((500, 32, 32, 1), 255, dtype=torch.uint8)
    grey = front(field(white)).x[:, 0] == 0  # [B, 32, 32]
    erased = grey.flatten(1).any(1)
    assert 0.3 < erased.float().mean() < 0.5
    for hole in grey[erased]:
        assert torch.equal(hole, hole.any(1)[:, None] & hole.any(0))  # a full rectangle
    assert grey[erased].float().mean((1, 2)).max() < 0.4
