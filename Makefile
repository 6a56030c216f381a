# Each environment is built once and again when what it is made from has changed.
PYTHON ?= python3
EXTRAS := [all,test]
# Small networks are fastest on one thread, so each core gets a test process. The second
# setting lets scikit-learn's array API check run rather than skip.
PYTEST := OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(CURDIR)/.venv/bin/pytest -n auto

.PHONY: quickstart test oldest docs outputs gallery notebooks clean

quickstart: .venv/installed
	.venv/bin/python examples/quickstart.py

test: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PYTEST)

oldest: .venv-oldest/installed
	$(subst .venv,.venv-oldest,$(PYTEST))

docs: .venv/docs
	.venv/bin/sphinx-build -W --keep-going docs docs/_build/html

# Runs the code of one page, or of all that have changed, and writes its outputs into it.
outputs: .venv/installed
	OMP_NUM_THREADS=1 .venv/bin/python -m docs.outputs $(PAGE)

# The same with every example run that has changed, which takes a while.
gallery: .venv/docs
	.venv/bin/sphinx-build -W --keep-going -D plot_gallery=1 docs docs/_build/html

# The same examples as notebooks, each run from top to bottom.
notebooks: docs
	.venv/bin/jupyter nbconvert --to notebook --execute --ExecutePreprocessor.timeout=1200 \
		--ExecutePreprocessor.coalesce_streams=True --output-dir docs/_build/notebooks \
		docs/gallery/*.ipynb

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
	rm -rf .venv .venv-oldest docs/_build docs/generated
