import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.date.frontend import DateFrontend
from mmbm.kinds.date.spec import DateSpec

COLUMNS = {
    "date": Cells(
        DateSpec(timezone="Europe/Berlin"),
        ["2024-01-31", "2024-02-29T10:30Z", "31/12/2023 5:03 PM", "3 Jan 2024", "2024Q1"],
    ),
    "date, epoch": Cells(DateSpec(epoch="ms"), [1_700_000_000_000, "1700000000001"]),
}


def cells(lengths):
    rows = len(lengths)
    return field(torch.rand(rows, 7) + torch.tensor([19_000, *[0] * 6]), [1] * rows)


FRONTENDS = {
    "date": Frontend(
        lambda: DateFrontend(DateSpec(), column({"mean": 19_000.5, "std": 30.0})), cells
    )
}
