import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.text.frontend import TextFrontend
from mmbm.kinds.text.spec import TextSpec

TEXTS = ["turn on the light", "请打开客厅的灯", "turn it off", ""]
COLUMNS = {"text": Cells(TextSpec(vocab_size=300, max_tokens=12), TEXTS)}


def cells(lengths):
    size = max(lengths)
    real = torch.arange(size) < torch.tensor(lengths)[:, None]
    return field(torch.randint(1, 300, (len(lengths), size), dtype=torch.int32) * real, lengths)


FRONTENDS = {
    "text": Frontend(
        lambda: TextFrontend(TextSpec(), column({"vocab_size": 300})), cells, ragged=True
    )
}
