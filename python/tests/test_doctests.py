"""The examples in docstrings, of the package as it is installed."""

import doctest
import importlib
import pathlib
import pkgutil

import pytest

import groktime

MODULES = ["groktime", *(f"groktime.{module.name}" for module in pkgutil.iter_modules(groktime.__path__))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("_groktime")])
def test_examples_in(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_examples_in_the_book():
    chapter = pathlib.Path(__file__).parents[2] / "docs/src/python.md"
    result = doctest.testfile(str(chapter), module_relative=False, encoding="utf-8")
    assert result.attempted > 10 and result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    with_examples = [
        name for name in MODULES if any(t.examples for t in finder.find(importlib.import_module(name)))
    ]
    assert len(with_examples) >= 9
