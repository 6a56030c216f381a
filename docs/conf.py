"""Sphinx builds the site from these pages; nothing is fetched from the network."""

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx_gallery.sorting import ExplicitOrder

import sklearn_seq2seq

project = "sklearn_seq2seq"
author = "The sklearn_seq2seq developers"
project_copyright = author
version = release = sklearn_seq2seq.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py"]
templates_path = ["_templates"]
smartquotes = False
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

# Pages: Markdown whose headings can be linked to.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings
autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Literature
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

# The gallery runs only when asked to: `make gallery`.
plot_gallery = "False"
# Tasks first, then what can be done with a model, then larger tasks.
EXAMPLES = [
    "quickstart.py",
    "plot_dates.py",
    "plot_lemmas.py",
    "plot_number_words.py",
    "plot_misspellings_grid.py",
    "plot_training.py",
    "plot_decoding.py",
    "plot_constraints.py",
    "plot_confidence.py",
    "plot_log_likelihood.py",
    "plot_lexicon_audit.py",
    "plot_encoder_features.py",
    "plot_fixed_vector_limit.py",
    "plot_saving.py",
    "*",
    "plot_scarce_data.py",
    "plot_translation.py",
    "plot_summarisation.py",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/(plot_|quickstart)",
    # Pages only: not what is a command with arguments.
    "ignore_pattern": r"(^|/)(?!plot_|quickstart)[^/]*$",
    "within_subsection_order": ExplicitOrder(EXAMPLES),
    "plot_gallery": "False",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "min_reported_time": 1,
}

# Looks
html_theme = "pydata_sphinx_theme"
html_title = "sklearn_seq2seq"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "changelog": [], "glossary": []}


def public_names():
    """Where each public name is documented, by how pages may call it."""
    names = {}
    modules = [
        import_module(f"sklearn_seq2seq.{module.name}")
        for module in pkgutil.iter_modules(sklearn_seq2seq.__path__)
        if not module.name.startswith("_")
    ]
    for module in (sklearn_seq2seq, *modules):
        short = module.__name__.removeprefix("sklearn_seq2seq").removeprefix(".")
        for name in module.__all__:
            target = f"{module.__name__}.{name}"
            member = getattr(module, name)
            if not (inspect.isclass(member) or inspect.isroutine(member)):
                continue
            names[name] = names[f"{short}.{name}".lstrip(".")] = target
            if inspect.isclass(member):
                for method in dir(member):
                    if not method.startswith("_"):
                        names[f"{name}.{method}"] = f"{target}.{method}"
    return names


class LinkPublicNames(SphinxTransform):
    """Make a link of each public name that stands in code style in a page.

    So pages can be plain Markdown, which reads well where nothing builds them.
    """

    default_priority = 5
    targets = public_names()

    def apply(self, **kwargs):
        if self.env.docname.startswith(("generated/", "gallery/")):
            return
        for literal in list(self.document.findall(nodes.literal)):
            target = self.targets.get(literal.astext().removesuffix("()"))
            inside = (nodes.reference, nodes.title, addnodes.pending_xref)
            if target is None or isinstance(literal.parent, inside):
                continue
            link = addnodes.pending_xref(
                "",
                refdomain="py",
                reftype="obj",
                reftarget=target,
                refexplicit=True,
                refdoc=self.env.docname,
                refwarn=False,
            )
            literal.replace_self(link)
            link += literal


class LinkExamples(SphinxTransform):
    """Lead links to an example's script to its page in the gallery."""

    default_priority = 5

    def apply(self, **kwargs):
        for link in list(self.document.findall(addnodes.download_reference)):
            path = PurePosixPath(link["reftarget"])
            if path.parent.name != "examples" or path.suffix != ".py":
                continue
            page = addnodes.pending_xref(
                "",
                refdomain="std",
                reftype="doc",
                reftarget=f"/gallery/{path.stem}",
                refexplicit=True,
                refdoc=self.env.docname,
                refwarn=True,
            )
            page += link.children
            link.replace_self(page)


def skip_generated(app, what, name, member, skip, options):
    """Leave out ``set_fit_request`` and its like, which scikit-learn generates."""
    made = name.startswith("set_") and name.endswith(("_request", "_output"))
    return True if made or name == "get_metadata_routing" else skip


def finish_progress_bars(app, docname, content):
    """Leave of a progress bar what a terminal shows in the end."""
    if docname.startswith("gallery/"):
        state = r"^ +\S.*\|.*\| *\d+/\d+ \[.*\n"
        content[0] = re.sub(rf"(?:{state})+(?={state})", "", content[0], flags=re.M)


def setup(app):
    """Register what is defined here."""
    app.add_transform(LinkPublicNames)
    app.add_transform(LinkExamples)
    app.connect("autodoc-skip-member", skip_generated)
    app.connect("source-read", finish_progress_bars)
