"""`python -m mmbm`, as `torchrun -m mmbm` needs it."""

from mmbm.cli import main

if __name__ == "__main__":
    main()
