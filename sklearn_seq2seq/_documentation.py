"""How notebooks show estimators: a link to their page, and parameters in groups."""

import inspect
import re


class DocumentationMixin:
    """Links an estimator to its page, and shows its parameters in groups."""

    _doc_link_module = "sklearn_seq2seq"
    _doc_link_template = (
        "https://sklearn-seq2seq.readthedocs.io/en/latest/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    def _get_params_html(self, *args, **kwargs):
        """Show parameters under the headings of the docstring, if it has any."""
        params = super()._get_params_html(*args, **kwargs)
        groups = parameter_groups(type(self))
        if len(groups) > 1:
            names = [name for group in groups.values() for name in group]
            # A subclass may have other parameters than the docstring.
            known = [name for name in names if name in params]
            params.data = {name: params[name] for name in [*known, *params]}
            table = with_headings(params._html_repr(), list(params), groups)
            params._html_repr = lambda: table
        return params


def parameter_groups(estimator_class):
    """Names of parameters by their heading in the docstring of a class.

    A heading is a line with one capitalised word. The first parameters have no heading
    and are listed under "".
    """
    docstring = inspect.getdoc(estimator_class) or ""
    _, _, section = docstring.partition("Parameters\n----------\n")
    section = re.split(r"\n.+\n---", section)[0]
    # Descriptions are indented.
    lines = re.findall(r"(?m)^(\w+)(?: : .*)?$", section)
    groups = {"": (names := [])}
    for name in lines:
        if name[0].isupper():
            names = groups[name] = []
        else:
            names.append(name)
    return groups


def with_headings(table, names, groups):
    """Insert a row with the heading above the first parameter of each group."""
    start, *rows = re.split(r"(?=<tr\b)", table)
    above = {group[0]: heading for heading, group in groups.items() if heading}
    for k, name in enumerate(names):
        if name in above:
            rows[k] = f'<tr><th colspan="3">{above[name]}</th></tr>\n{rows[k]}'
    return start + "".join(rows)
