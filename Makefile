# What is done again and again. `make` lists it; PYTHON names another interpreter.
PYTHON ?= python
RECIPES ?= $(shell $(PYTHON) tools/recipe.py fastest 3)

.PHONY: help install lint format types test all slow docs notebooks wheel claims ci clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

install:  ## the package, editable, with what tests, docs and notebooks need
	$(PYTHON) -m pip install -e '.[test,docs,examples]'

lint:  ## rules, format, and which package may import which
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	lint-imports

format:  ## the format, and what the linter can mend
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

types:  ## the type checker
	$(PYTHON) -m mypy

test:  ## the quick tests
	$(PYTHON) -m pytest

all:  ## those, and the long ones: what CI runs
	$(PYTHON) -m pytest -m 'not slow'

slow:  ## the slow tests
	$(PYTHON) -m pytest -m slow

docs:  ## the documentation as a site, in site/
	$(PYTHON) -m mkdocs build --strict

notebooks:  ## the notebooks in examples/, from beginning to end
	$(PYTHON) tools/notebooks.py

wheel:  ## a wheel in dist/, installed and tried in an empty folder
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .
	.ci/wheel dist/mmjax-*.whl

claims:  ## the experiments behind claims: three that are fast, or RECIPES="tcl symile"
	$(PYTHON) -m mmjax.claims $(RECIPES)

ci:  ## what continuous integration does
	.ci/run

clean:  ## away with what builds leave
	rm -rf build dist site *.egg-info
