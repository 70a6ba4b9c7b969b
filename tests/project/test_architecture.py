"""The code keeps its shape: layers, kinds in their folders, files of a readable size."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "src" / "mmbm"
KINDS = sorted(p.name for p in (SOURCE / "kinds").iterdir() if (p / "spec.py").exists())
OWNERS = ("kinds", "config", "specs")
"""Folders that may ask which kind a column is of; all other code asks for traits."""


def classes_of_kinds() -> set[str]:
    """The classes of a kind's options that have a `kind`, and what they have in common."""
    found = {"MediaSpec", "InputSpec"}
    for kind in KINDS:
        tree = ast.parse((SOURCE / "kinds" / kind / "spec.py").read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
                if any(isinstance(f.target, ast.Name) and f.target.id == "kind" for f in fields):
                    found.add(node.name)
    return found


def name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def kind_tests(tree: ast.AST, classes: set[str]) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name(node.func) in ("isinstance", "issubclass"):
            if any(name(part) in classes for part in ast.walk(node.args[1])):
                yield node
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            values = [c.value for s in sides for c in ast.walk(s) if isinstance(c, ast.Constant)]
            if any("kind" in name(side) for side in sides) and set(values) & set(KINDS):
                yield node


def test_outside_kinds_and_config_code_decides_on_traits_and_not_on_kinds():
    classes, found = classes_of_kinds(), []
    for file in sorted(SOURCE.rglob("*.py")):
        if file.relative_to(SOURCE).parts[0] in OWNERS:
            continue
        for node in kind_tests(ast.parse(file.read_text(encoding="utf-8")), classes):
            found.append(f"{file.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}")
    assert len(found) < 15, "\n".join(found)


def test_a_test_of_a_kind_is_counted():
    code = "isinstance(spec, ImageSpec)\nspec.kind == 'text'\ntarget.kind in ('labels',)\nx == 1"
    assert len(list(kind_tests(ast.parse(code), classes_of_kinds()))) == 3


def test_every_kind_is_a_folder_with_its_options_and_is_registered():
    from mmbm.registry import kinds

    assert sorted(kinds()) == KINDS
    for kind in kinds().values():
        assert kind.input or kind.target
        parts = [part for part in vars(kind) if ":" in str(getattr(kind, part))]
        for part in parts:
            assert kind.part(part) is not None


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=["src", "tests"])
def test_no_file_has_400_lines(folder: Path):
    long = {
        str(file.relative_to(folder)): lines
        for file in folder.rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) >= 400
    }
    assert not long


def test_imports_go_downwards_only_and_torch_stays_where_it_is_needed():
    command = [Path(sys.executable).with_name("lint-imports")]
    done = subprocess.run(command, cwd=SOURCE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
