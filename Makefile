# Each environment is built once and again when what it is made from has changed.
PYTHON ?= python3
EXTRAS := [all,test]

.PHONY: quickstart test oldest docs gallery clean

quickstart: .venv/installed
	.venv/bin/python examples/quickstart.py

test: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest

oldest: .venv-oldest/installed
	.venv-oldest/bin/pytest

docs: .venv/docs
	.venv/bin/sphinx-build -W --keep-going docs docs/_build/html

# The same with every example run, which takes a while.
gallery: .venv/docs
	.venv/bin/sphinx-build -W --keep-going -D plot_gallery=1 docs docs/_build/html

.venv/docs: .venv/installed
	.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet -c constraints.txt -e '.$(EXTRAS)'
	touch $@

.venv-oldest/installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet -c constraints-oldest.txt -e '.$(EXTRAS)'
	touch $@

clean:
	rm -rf .venv .venv-oldest docs/_build docs/generated docs/gallery
