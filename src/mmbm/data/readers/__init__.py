"""Table files, folders and tables from Python -> Arrow batches of plain types.

A csv is read as text throughout: 007 stays 007, and a column's kind, not its spelling, decides its
meaning. Each reader returns a schema, the batches, read lazily, and the options it detected
(encoding, lines above the header) if not given.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from mmbm.data.readers.arrow import read_arrow, read_parquet
from mmbm.data.readers.csv import read_csv
from mmbm.data.readers.jsonl import read_jsonl
from mmbm.data.readers.options import Decided, ReadOptions
from mmbm.data.readers.packed import is_packed, unpack
from mmbm.data.readers.plain import check_names, plain_table
from mmbm.data.readers.python import from_python
from mmbm.errors import TableError

__all__ = [
    "ENDINGS", "Decided", "ReadOptions", "check_names", "check_path", "from_python", "is_packed",
    "plain_table", "reader", "unpack",
]  # fmt: skip

Batches = tuple[pa.Schema, Iterator[pa.RecordBatch], Decided]
Reader = Callable[[Path, ReadOptions], Batches]
"""(path, options) -> batches; the options apply to text only."""

_READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
ENDINGS = tuple(_READERS)

_OTHERS = {
    ".xlsx": ("an Excel workbook", "read_excel"),
    ".xlsm": ("an Excel workbook", "read_excel"),
    ".xls": ("an Excel workbook", "read_excel"),
    ".ods": ("an OpenDocument spreadsheet", "read_excel"),
    ".dta": ("a Stata file", "read_stata"),
    ".sav": ("an SPSS file", "read_spss"),
    ".sas7bdat": ("a SAS file", "read_sas"),
    ".h5": ("an HDF5 file", "read_hdf"),
    ".hdf5": ("an HDF5 file", "read_hdf"),
    ".orc": ("an ORC file", "read_orc"),
    ".xml": ("an XML file", "read_xml"),
    ".html": ("a web page", "read_html"),
    ".pkl": ("a pickle, which is never opened", ""),
    ".pickle": ("a pickle, which is never opened", ""),
    ".npy": ("a numpy file", ""),
    ".npz": ("a numpy file", ""),
    ".sqlite": ("an SQLite database", "read_sql"),
    ".db": ("a database", "read_sql"),
    ".numbers": ("a Numbers document", ""),
    ".gsheet": ("a link to a Google sheet", ""),
    ".avro": ("an Avro file", ""),
    ".tfrecord": ("a TFRecord file", ""),
    ".mat": ("a MATLAB file", ""),
    ".rds": ("an R file", ""),
    ".arff": ("a Weka file", ""),
    ".tar": ("an archive", ""),
    ".7z": ("an archive", ""),
    ".rar": ("an archive", ""),
    ".zst": ("an archive", ""),
}
"""Table formats that aren't supported: their names, and pandas' functions for them."""


def check_path(path: Path) -> None:
    """Raises TableError unless it is a file that is not empty."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TableError(f"{path}: there is no such file.") from error
    except ValueError as error:  # a zero byte in the path
        raise TableError(f"{str(path)!r}: is no path: {error}.") from error
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may block forever
        raise TableError(f"{path}: is not a regular file. Save what it gives as a .csv file.")
    if status.st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes).")


def reader(path: Path) -> Reader:
    """The reader of this kind of file. Raises TableError with the fix for another kind."""
    ending = path.suffix.lower()
    if ending in _READERS:
        return _READERS[ending]
    if ending in _OTHERS:
        what, function = _OTHERS[ending]
        pandas = f" (in Python: pandas.{function}(…).to_parquet(…))" if function else ""
        raise TableError(f"{path}: is {what}: save its table as .csv (UTF-8) or .parquet{pandas}.")
    raise TableError(
        f"{path}: unknown kind of table {path.suffix!r}. mmbm reads {', '.join(_READERS)}; save it "
        "as one of these."
    )
