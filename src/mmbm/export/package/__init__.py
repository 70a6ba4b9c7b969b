"""Package a bundle as a folder for a container engine and a cluster.

bundle/           unchanged, readable by any user
Dockerfile        slim base, `mmbm[serve]` only, not root, health check
constraints.txt   the versions of mmbm's packages here, so that there are no others there
mmbm-….whl        mmbm itself, if it wasn't installed from a package index
compose.yaml · kubernetes.yaml
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from string import Template
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mmbm import files
from mmbm.bundle.manifest import MANIFEST
from mmbm.errors import MmbmError
from mmbm.inference.predictor import Predictor

TEMPLATES = ("Dockerfile", "compose.yaml", "kubernetes.yaml")
EXTRAS = {"onnx": "serve", "openvino": "serve,openvino", "litert": "serve,litert-runner"}
"""What the image installs, by the runner of the bundle."""


def package(
    bundle: Predictor, folder: Path, name: str | None = None, wheel: Path | None = None
) -> None:
    """Write the folder. `name` is the model's, in the image and in its address; `wheel` a wheel of
    mmbm to install instead of the one that is installed here."""
    name = name or default_name(bundle)
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?", name):
        raise MmbmError(
            f"{name!r} can't name an image and a service: use a to z, 0 to 9 and -, a letter first."
        )
    if (
        folder.exists()
        and not (folder / "Dockerfile").exists()
        and not all(own(path.name) for path in folder.iterdir())
    ):
        raise MmbmError(f"{folder} is not empty and no package: it is left as it is.")
    extras = EXTRAS[bundle.runs_on]
    folder.mkdir(parents=True, exist_ok=True)
    files.clean(folder)
    with files.written_folder(folder / "bundle") as part:
        bundle.bundle.files.copy(part)
        shutil.copyfile(bundle.path / MANIFEST, part / MANIFEST)
        for path in (part, *part.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    for old in folder.glob("mmbm-*.whl"):
        old.unlink()
    built = copied_wheel(folder, wheel)
    wanted = f"./{built.name}[{extras}]" if built else f"mmbm[{extras}]=={metadata.version('mmbm')}"
    versions = "".join(f"{line}\n" for line in constraints(extras.split(",")))
    files.write_text(folder / "constraints.txt", versions)
    files.write_text(folder / ".dockerignore", "*\n!bundle\n!*.whl\n!constraints.txt\n")
    values = {
        "name": name,
        "version": bundle.version,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "copied": " ".join(["constraints.txt", *([built.name] if built else [])]),
        "wanted": wanted,
    }
    for file in TEMPLATES:
        text = resources.files("mmbm.export.package").joinpath(file).read_text(encoding="utf-8")
        files.write_text(folder / file, Template(text).substitute(values))


def own(name: str) -> bool:
    """Files of a package, also of an incomplete one."""
    wheel = name.startswith("mmbm-") and name.endswith(".whl")
    kept = {"bundle", "constraints.txt", ".dockerignore", *TEMPLATES}
    return name in kept or wheel or name.endswith(files.PART)


def default_name(bundle: Predictor) -> str:
    """runs/mine/bundle -> mine."""
    path = bundle.path.resolve()
    name = path.parent.name if path.name.startswith("bundle") else path.name
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def copied_wheel(folder: Path, given: Path | None) -> Path | None:
    """The wheel that the image installs; None if a package index has this version.

    pip remembers where a package came from (PEP 610). From a source tree a wheel is built of it.
    """
    if given:
        if given.suffix != ".whl" or not given.is_file():
            raise MmbmError(f"{given} is no wheel (mmbm-VERSION-py3-none-any.whl).")
        return copied(given, folder)
    text = metadata.distribution("mmbm").read_text("direct_url.json")
    if text is None:
        return None
    source = json.loads(text)["url"]
    path = Path(url2pathname(urlsplit(source).path)) if source.startswith("file:") else None
    if path and path.is_dir():
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", folder, path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise MmbmError(
                f"No wheel of mmbm can be built from {path}: {done.stderr.strip()[-300:]} "
                "Give one: --wheel mmbm-….whl"
            )
        return next(folder.glob("mmbm-*.whl"))
    if path and path.is_file() and path.suffix == ".whl":
        return copied(path, folder)
    raise MmbmError(
        f"mmbm was installed from {source}, which isn't there for the image to install. Give a "
        "wheel of it: --wheel mmbm-….whl"
    )


def copied(wheel: Path, folder: Path) -> Path:
    with files.written(folder / wheel.name) as part:
        shutil.copyfile(wheel, part)
    return folder / wheel.name


def constraints(extras: list[str]) -> list[str]:
    """name==version of all that `mmbm[extras]` needs and that is installed here."""
    found: dict[str, str] = {}
    waiting = [("mmbm", tuple(extras))]
    seen = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system, or of an extra that isn't installed here
        if name != "mmbm":
            found[name] = distribution.version.partition("+")[0]
        waiting += requirements(distribution, wanted)
    return sorted(f"{name}=={version}" for name, version in found.items())


def requirements(
    distribution: metadata.Distribution, extras: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for line in distribution.requires or []:
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield canonicalize_name(need.name), tuple(sorted(need.extras))
