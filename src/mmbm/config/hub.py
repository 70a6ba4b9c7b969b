"""Models of the Hugging Face Hub by name: downloaded once, then read as a local folder."""

import re

from mmbm.errors import ConfigError

NAME = re.compile(r"(hf/|(?=timm/))(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
READ = ["*.json", "*.safetensors", "*.jinja"]
"""The files that are downloaded: no pickle and no code."""


def is_hub_name(model: str) -> bool:
    """`hf/OWNER/NAME` or `timm/NAME` (its owner is timm), each optionally with `@REVISION`."""
    return NAME.fullmatch(model) is not None


def folder_of(model: str) -> str:
    """A name on the Hub -> its folder in the Hub's cache, downloaded if needed; a path is returned
    unchanged. Raises ConfigError if it isn't available."""
    found = NAME.fullmatch(model)
    if found is None:
        return model
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
