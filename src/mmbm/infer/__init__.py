"""A table and its targets -> a config that trains as it is, with a comment that explains each line.

sample.py   some cells of every column
kinds.py    one column's cells -> its kind, or why it is left out
files.py    what the files of a media column are like
leaks.py    columns that (nearly) are the target, or one another
choose.py   all of it together -> Inferred
write.py    Inferred -> YAML
"""

from mmbm.infer.choose import Inferred, infer
from mmbm.infer.kinds import Found
from mmbm.infer.write import to_yaml

__all__ = ["Found", "Inferred", "infer", "to_yaml"]
