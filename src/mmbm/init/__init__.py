"""Generate a config from a table and its targets, ready to train, with a comment on each line.

Each kind infers its own columns: `mmbm.kinds.NAME.infer`.

kinds.py        one column's cells -> its kind, or why it is left out: the order of asking
identifiers.py  columns that name who was recorded, or number the rows
choose.py       all columns, the split and the settings of a first training -> Inferred
redundant.py    columns without new information
leaks.py        columns that (nearly) are the target, or one another
few.py          what is learned better from few rows
pretrained.py   encoders whose published weights are installed
write.py        Inferred -> YAML
"""

from mmbm.init.choose import infer
from mmbm.init.inferred import Inferred
from mmbm.init.write import report, to_yaml, write_config
from mmbm.kinds.guess import ColumnGuess

__all__ = ["ColumnGuess", "Inferred", "infer", "report", "to_yaml", "write_config"]
