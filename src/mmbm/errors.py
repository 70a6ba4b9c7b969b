"""What can go wrong, and the sentence the user sees.

Every error a user can mend is an `MmbmError`: the command line prints its message without a
traceback and exits with `status`. A message says what, where (file, row, column) and the cure.
"""


class MmbmError(Exception):
    """Something the user can mend; the message says how."""

    status = 1


class ConfigError(MmbmError):
    """The YAML, or an override, says something that mmbm doesn't know or can't do."""


class TableError(MmbmError):
    """A table can't be read, or lacks what the config asks of it."""


class TrainingError(MmbmError):
    """Training can't go on (a loss that is not finite, a run that can't be resumed)."""


class BundleError(MmbmError):
    """A bundle is damaged, too new, or doesn't do what it did when it was written."""


class MissingExtra(MmbmError):
    """A feature needs packages of an extra that isn't installed."""

    def __init__(self, feature: str, extra: str):
        super().__init__(f'{feature} needs more packages: pip install "mmbm[{extra}]"')


class BadCell(Exception):
    """One cell can't be decoded. `reason` is a clause; row and column are the caller's to add.

    It is not an `MmbmError`: what happens to the row is decided by `data.bad_cells`, not here.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class ProcessLost(TrainingError):
    """Another process of the same training ended."""


class Interrupted(MmbmError):
    """Ctrl-C or SIGTERM: the run was saved and can go on."""

    status = 130
