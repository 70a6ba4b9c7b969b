"""A pretrained model by its name on the Hugging Face Hub: fetched once, a folder from then on."""

import re
from pathlib import Path

from mmbm.errors import ConfigError

NAME = re.compile(r"(hf/|(?=timm/))(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
READ = ["*.json", "*.safetensors", "*.jinja"]
"""What is fetched: no pickle, and no code."""


def folder_of(model: str, base: Path) -> str:
    """`hf/OWNER/NAME` or `timm/NAME` (its owner is timm), each perhaps with `@REVISION` -> its
    folder in the Hub's cache; a path from `base` -> absolute. Raises ConfigError if it can't be
    had."""
    found = NAME.fullmatch(model)
    if found is None:
        return str(base / model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return snapshot_download(found["repo"], revision=found["revision"], allow_patterns=READ)
    except LocalEntryNotFoundError as error:
        raise ConfigError(
            f"{model}: the Hub can't be reached from here, and its cache has no such model. Fetch "
            f"it where there is a network (hf download {found['repo']}), and name the folder."
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise ConfigError(f"{model}: the Hub says no: {str(error).splitlines()[0]}") from error
