import damaged
import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.image.frontend import ImageFrontend
from mmbm.kinds.image.spec import ImageSpec

COLUMNS = {
    "image": Cells(ImageSpec(size=16), [damaged.picture(), damaged.picture(format="JPEG")]),
    "image, grey and padded": Cells(
        ImageSpec(size=(8, 24), channels=1, resize="pad"), [damaged.picture()]
    ),
    "image, cropped": Cells(ImageSpec(size=20, resize="crop"), [damaged.picture()]),
}


def cells(lengths):
    rows = len(lengths)
    return field(torch.randint(0, 256, (rows, 12, 12, 3), dtype=torch.uint8), [1] * rows)


FRONTENDS = {"image": Frontend(lambda: ImageFrontend(ImageSpec(size=12), column()), cells)}
