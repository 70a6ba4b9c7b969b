"""`python -m mmbm`, as `torchrun -m -- mmbm` needs it."""

import os

os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else each process warns in training

from mmbm.cli import main

if __name__ == "__main__":
    main()
