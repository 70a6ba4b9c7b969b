"""What is installed."""

import json

from mmbm.cli.app import app
from mmbm.cli.common import Json


@app.command()
def doctor(json_: Json = False) -> None:
    """What is installed here, what is missing for which ability, and how to get it."""
    from mmbm.doctor import examine, show

    found = examine()
    if json_:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show(found)
