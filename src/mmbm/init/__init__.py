"""A table and its targets -> a config that trains as it is, with a comment that explains each line.

sample.py   some cells of every column
kinds.py    one column's cells -> its kind, or why it is left out
numbers.py  how numbers are written: 1.234,50 €
listed.py   labels, in lists or in one string
dates.py    dates and times of day
identifiers.py  columns that name who was recorded, or number the rows
shapes.py   what numbers are like: a long tail, codes, a scale or classes
words.py    values that look like missing, or like one another
files.py    what the files of a media column are like
leaks.py    columns that (nearly) are the target, or one another
pretrained.py  encoders whose published weights are installed
choose.py   all of it together -> Inferred
write.py    Inferred -> YAML
"""

from mmbm.init.choose import Inferred, infer
from mmbm.init.found import Found
from mmbm.init.write import report, to_yaml, write_config

__all__ = ["Found", "Inferred", "infer", "report", "to_yaml", "write_config"]
