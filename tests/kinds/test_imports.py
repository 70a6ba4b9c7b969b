"""What a column imports, and when."""

import subprocess
import sys


def test_columns_import_neither_torch_nor_tokenizers_until_needed():
    code = (
        "import sys, mmbm.kinds.text.column, mmbm.kinds.image.column, mmbm.kinds.audio.column; "
        "import mmbm.data.table, mmbm.data.split, mmbm.init; "
        "print([m for m in ('torch', 'pandas', 'sklearn', 'tokenizers', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
