"""From what a user passes to a data set of pairs."""

ID_CHECKS = {"accept_sparse": "csr", "dtype": "numeric", "ensure_non_negative": True}
