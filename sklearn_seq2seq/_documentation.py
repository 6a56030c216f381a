"""Where estimators are documented."""


class DocumentationMixin:
    """Links an estimator, as notebooks show it, to its page of the documentation."""

    _doc_link_module = "sklearn_seq2seq"
    _doc_link_template = (
        "https://sklearn-seq2seq.readthedocs.io/en/stable/generated/"
        "{estimator_module}.{estimator_name}.html"
    )
