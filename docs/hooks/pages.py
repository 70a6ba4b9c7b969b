"""MkDocs hook: what is filled in at build time, so that it can't go stale.

In a page of docs/, `<!-- generated: config -->` becomes the reference of the config's pydantic
models, `cli` that of the commands, `python` that of `mmbm.__all__`; `<!-- include: FILE -->`
becomes a file of the repository. A link to a file outside docs/ becomes its text, or the page that
includes the file: the site has no source tree.
"""

import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import reference  # noqa: E402

INCLUDED = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository that are pages of the site: links to them lead to the page."""
RENAMED = {
    "openai.md": "openai-api.md",
    "own-encoder.md": "custom-encoders.md",
    "pretrained.md": "transfer-learning.md",
    "search.md": "retrieval.md",
    "small-tables.md": "small-data.md",
    "speech.md": "speech-recognition.md",
    "tables.md": "data-formats.md",
    "text.md": "text-generation.md",
}
"""Former names of pages, which decision records may link to."""
GENERATED = {
    "config": reference.config_page,
    "cli": reference.cli_page,
    "python": reference.python_page,
}
MARK = re.compile(r"^<!-- (generated|include): (\S+) -->$", re.M)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, page, **_) -> str:
    path = page.file.src_uri
    written = LINK.sub(lambda match: _link(match, f"docs/{path}", path), markdown)
    return MARK.sub(lambda match: _filled(match, path), written)


def _filled(match: re.Match, path: str) -> str:
    what, name = match.groups()
    if what == "generated":
        return GENERATED[name]()
    text = (ROOT / name).read_text(encoding="utf-8")
    body = text.partition("\n")[2]  # the page has a title of its own
    return LINK.sub(lambda inner: _link(inner, name, path), body)


def _link(match: re.Match, source: str, path: str) -> str:
    """A link of the file `source`, as the page `path` of the site has it."""
    image, text, target = match.groups()
    file, hash_, anchor = target.partition("#")
    if not file or re.match(r"[a-z]+:", file):
        return match[0]
    found = posixpath.normpath(posixpath.join(posixpath.dirname(source), file))
    page = INCLUDED.get(found) or (found[5:] if found.startswith("docs/") else None)
    if page is None:  # a file of the source tree
        return "" if image else text
    page = RENAMED.get(page, page)
    if page.replace(".zh.md", ".md") == path.replace(".zh.md", ".md"):
        return ""  # its other language: the site has a menu for that
    there = posixpath.relpath(page, posixpath.dirname(path) or ".")
    return f"{image}[{text}]({there}{hash_}{anchor})"
