"""Sphinx builds the site from these pages; nothing is fetched from the network."""

import inspect
import os
import pkgutil
import re
import warnings
from importlib import import_module
from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import Autosummary
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util.inspect import getdoc
from sphinx_gallery.notebook import jupyter_notebook, save_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks
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
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py"]
templates_path = ["_templates"]
smartquotes = False
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

# Pages: Markdown whose headings can be linked to.
myst_enable_extensions = ["colon_fence", "deflist", "html_image"]
myst_heading_anchors = 4

# Other projects' pages, as far as these are linked to. `inventories` says where each
# name is, so that a build needs no network.
intersphinx_mapping = {
    name: (uri, f"inventories/{name}.txt")
    for name, uri in {
        "matplotlib": "https://matplotlib.org/stable",
        "numpy": "https://numpy.org/doc/stable",
        "pandas": "https://pandas.pydata.org/docs",
        "scipy": "https://docs.scipy.org/doc/scipy",
        "sklearn": "https://scikit-learn.org/stable",
        "skorch": "https://skorch.readthedocs.io/en/stable",
        "torch": "https://docs.pytorch.org/docs/stable",
    }.items()
}

# Docstrings
autosummary_generate = True
autodoc_typehints = "none"
default_role = "py:obj"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# The gallery runs only when asked to: `make gallery`. It keeps no progress bars, and
# its warnings name no file.
os.environ["TQDM_DISABLE"] = "1"
plot_gallery = "False"
warnings.formatwarning = lambda text, kind, *_: f"{kind.__name__}: {text}\n"
# A whole job first, then tasks, what can be done with a model, and larger tasks.
EXAMPLES = [
    "plot_messy_csv.py",
    "quickstart.py",
    "plot_dates.py",
    "plot_lemmas.py",
    "plot_number_words.py",
    "plot_misspellings_grid.py",
    "plot_training.py",
    "plot_decoding.py",
    "plot_constraints.py",
    "plot_confidence.py",
    "plot_prediction_sets.py",
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
    "inspect_global_variables": False,
    "remove_config_comments": True,
    "min_reported_time": float("inf"),
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
# Pages of the first level have no others under them.
html_sidebars = {"*": [], "api": ["sidebar-collapse.html", "sidebar-nav-bs.html"]}


# API

# Methods in the order of use; others come behind them, in the order of the source.
METHODS = [
    "from_estimator",
    "from_predictions",
    "from_history",
    "from_weights",
    "from_alignment",
    "write",
    "fit",
    "fit_transform",
    "partial_fit",
    "fit_resample",
    "predict",
    "score",
    "predict_nbest",
    "predict_set",
    "predict_confidence",
    "sample",
    "log_likelihood",
    "align",
    "attention_weights",
    "transform",
    "inverse_transform",
    "plot",
    "save",
    "load",
    "get_feature_names_out",
    "get_params",
    "set_params",
]


def public_members():
    """Each public object of the package with the module that it is imported from."""
    modules = [
        import_module(f"sklearn_seq2seq.{module.name}")
        for module in pkgutil.iter_modules(sklearn_seq2seq.__path__)
        if not module.name.startswith("_")
    ]
    for module in (sklearn_seq2seq, *modules):
        for name in module.__all__:
            yield module.__name__, name, getattr(module, name)


def methods_of(cls):
    """Names of the public methods that are written in this package.

    scikit-learn makes ``set_fit_request`` and its like, and inherited ones are its own.
    """
    left_out = r"_.*|get_metadata_routing|set_\w+_(request|output)"
    order = {}
    for owner in cls.__mro__:
        if owner.__module__.startswith("sklearn_seq2seq"):
            for name, member in vars(owner).items():
                if re.fullmatch(left_out, name) or isinstance(member, property):
                    continue
                if getdoc(member):
                    order.setdefault(name, len(METHODS))
    order |= {name: METHODS.index(name) for name in order if name in METHODS}
    return sorted(order, key=order.get)


CLASSES = {
    f"{module}.{name}": cls
    for module, name, cls in public_members()
    if inspect.isclass(cls) and not issubclass(cls, Exception)
}


def search_terms():
    """Names of parameters, as they are and in words, each with the first class."""
    terms, seen = {}, set()
    first = "sklearn_seq2seq.Seq2SeqTransformer"
    for name in sorted(CLASSES, key=lambda name: name != first):
        new = [p for p in inspect.signature(CLASSES[name]).parameters if p not in seen]
        seen.update(new)
        words = [parameter.replace("_", " ") for parameter in new]
        terms[name] = list(dict.fromkeys(new + words))
    return terms


autosummary_context = {
    "public_methods": {name: methods_of(cls) for name, cls in CLASSES.items()},
    "search_terms": search_terms(),
}


class Summary(Autosummary):
    """Summaries without references, whose list is on the object's own page."""

    def get_items(self, names):
        return [
            (name, signature, re.sub(r" ?\[\w+-\d+\]_", "", summary), real_name)
            for name, signature, summary, real_name in super().get_items(names)
        ]


def document_data(app, what, name, obj, options, lines):
    """Find the docstring of public data where the data is defined."""
    if what != "data":
        return
    module, _, name = name.rpartition(".")
    for part in pkgutil.iter_modules(import_module(module).__path__, f"{module}."):
        found = ModuleAnalyzer.for_module(part.name).find_attr_docs().get(("", name))
        lines[:] = found or lines


# Links


def public_names():
    """Where each public name is documented, by how pages may call it."""
    names = {}
    for inventory in sorted(Path(__file__).parent.glob("inventories/*.txt")):
        for line in inventory.read_text("utf-8").splitlines()[3:]:
            target = line.split()[0]
            names[target] = names[target.rpartition(".")[2]] = target
    for module, name, member in public_members():
        if inspect.isclass(member) or inspect.isroutine(member):
            short = module.removeprefix("sklearn_seq2seq").removeprefix(".")
            target = names[f"{module}.{name}"] = f"{module}.{name}"
            names[name] = names[f"{short}.{name}".lstrip(".")] = target
            if inspect.isclass(member):
                for method in dir(member):
                    if not method.startswith("_"):
                        names[f"{name}.{method}"] = f"{target}.{method}"
    return names


class LinkPublicNames(SphinxTransform):
    """Make a link of each public name that stands in code style in a page.

    So pages can be plain Markdown, which reads well where nothing builds them. In
    docstrings, types become links.
    """

    default_priority = 5
    targets = public_names()
    words = re.compile(r"([\w.]+)")

    def apply(self, **kwargs):
        if self.env.docname.startswith("generated/"):
            for classifier in list(self.document.findall(nodes.classifier)):
                words = self.words.split(classifier.astext())
                classifier.children = []
                classifier += [self.link(word, nodes.Text(word)) for word in words]
        elif not self.env.docname.startswith("gallery/"):
            for literal in list(self.document.findall(nodes.literal)):
                inside = (nodes.reference, nodes.title, addnodes.pending_xref)
                before = literal.previous_sibling()
                is_extra = before is not None and before.astext().endswith("extra ")
                if not isinstance(literal.parent, inside) and not is_extra:
                    name = literal.astext().removesuffix("()")
                    literal.replace_self(self.link(name, literal.deepcopy()))

    def link(self, name, node):
        if name not in self.targets:
            return node
        return addnodes.pending_xref(
            "",
            node,
            refdomain="py",
            reftype="obj",
            reftarget=self.targets[name],
            refexplicit=True,
            refdoc=self.env.docname,
            refwarn=False,
        )


class MarkCells(SphinxTransform):
    """Tell the style sheet which cells of a table are numbers and which are texts."""

    default_priority = 5

    def apply(self, **kwargs):
        for cell in self.document.findall(nodes.entry):
            text = cell.astext()
            if len(text) > 40:
                cell["classes"].append("cell-text")
            elif re.search(r"\d", text) and not re.search(r"[^\W\d]{3}", text):
                cell["classes"].append("cell-number")


class LinkExamples(SphinxTransform):
    """Lead links to an example's script, or to all of them, to the gallery's pages."""

    default_priority = 5

    def apply(self, **kwargs):
        links = (addnodes.download_reference, addnodes.pending_xref)
        for link in list(self.document.findall(lambda node: isinstance(node, links))):
            path = PurePosixPath(link["reftarget"])
            is_script = path.parent.name == "examples" and path.suffix == ".py"
            if not is_script and path.name != "examples":
                continue
            page = addnodes.pending_xref(
                "",
                refdomain="std",
                reftype="doc",
                reftarget=f"/gallery/{path.stem if is_script else 'index'}",
                refexplicit=True,
                refdoc=self.env.docname,
                refwarn=True,
            )
            page += link.children
            link.replace_self(page)


# Pages


def add_table_of_contents(app, docname, content):
    """Make the list of links of an index page the site's table of contents.

    So such a page is plain Markdown too. What the start page leaves out comes last.
    """
    is_index = PurePosixPath(docname).name == "index" and "gallery" not in docname
    if is_index and "{toctree}" not in content[0]:
        links = re.findall(r"(?m)^- \[.*?\]\((.*?)\)", content[0])
        pages = [
            "gallery/index" if link == "../examples" else link.removesuffix(".md")
            for link in links
        ]
        rest = ["*"] if docname == "index" else []
        lines = "\n".join([":hidden:\n:glob:\n", *pages, *rest])
        content[0] += f"\n```{{toctree}}\n{lines}\n```\n"


def mend_gallery_page(app, docname, content):
    """Leave out the zip files, which are not kept."""
    if docname.startswith("gallery/"):
        zipped = r"(?m)^ *\.\. container:: \S+ sphx-glr-download-zip\n\n.*\n"
        content[0] = re.sub(zipped, "", content[0])


def make_notebooks(app):
    """Make the notebooks, which are not kept, of examples whose outputs are."""
    for script in Path(app.srcdir, "gallery").glob("*.py"):
        _, blocks = split_code_and_text_blocks(str(script))
        notebook = jupyter_notebook(
            blocks, app.config.sphinx_gallery_conf, str(script.parent)
        )
        save_notebook(notebook, script.with_suffix(".ipynb"))


def setup(app):
    """Register what is defined here."""
    app.add_transform(LinkPublicNames)
    app.add_transform(MarkCells)
    app.add_transform(LinkExamples)
    app.add_directive("autosummary", Summary, override=True)
    app.connect("autodoc-process-docstring", document_data)
    app.connect("source-read", add_table_of_contents)
    app.connect("source-read", mend_gallery_page)
    app.connect("builder-inited", make_notebooks, priority=900)
