"""Every input that a fuzzer kept, again: no atheris needed."""

import importlib
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=[str(path.relative_to(CORPUS)) for path in INPUTS])
def test_the_properties_hold(path: Path) -> None:
    importlib.import_module(f"fuzz.{path.parent.name}").check(path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    modules = {path.stem for path in CORPUS.parent.glob("[a-z]*.py")} - {"test_corpus", "keep"}
    assert {path.parent.name for path in INPUTS} == modules
