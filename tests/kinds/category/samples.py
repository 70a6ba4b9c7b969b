import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.category.frontend import CategoryFrontend
from mmbm.kinds.category.spec import CategorySpec, CategoryTarget

COLUMNS = {
    "category": Cells(CategorySpec(), ["red", "blue", 3, "3", True]),
    "category target": Cells(CategoryTarget(), ["yes", "no"]),
}


def cells(lengths):
    rows = len(lengths)
    return field(torch.randint(0, 3, (rows,), dtype=torch.int32), [1] * rows)


FRONTENDS = {
    "category": Frontend(
        lambda: CategoryFrontend(CategorySpec(), column({"values": ["a", "b"]})), cells
    )
}
