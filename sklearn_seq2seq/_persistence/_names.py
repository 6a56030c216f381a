"""Functions and classes by the names that they can be imported by."""

from importlib import import_module


def qualified_name(function, where):
    """Importable name of a function or class.

    Parameters
    ----------
    function : callable
    where : str
        The function's name in messages.

    Returns
    -------
    str
        Module and qualified name, such as "builtins.str.split".

    Raises
    ------
    ValueError
        If it cannot be found again under that name.
    """
    owner = getattr(function, "__objclass__", function)
    module = getattr(owner, "__module__", None) or "builtins"
    qualname = getattr(function, "__qualname__", None)
    if qualname is None:
        raise ValueError(
            f"{where} is an object, {function!r:.80}, without a name to save. Use a "
            "function or class of an importable module, or one of the strings that the "
            "parameter takes; or, if only training needed it, reset it to its default "
            "with set_params."
        )
    name = f"{module}.{qualname}"
    try:
        found = module != "__main__" and _find(name) is function
    except (ImportError, AttributeError):
        found = False
    if not found:
        raise ValueError(
            f"{where} is {name}, which cannot be imported elsewhere and so not saved. "
            "Define it with def at the top of an importable module (not in a notebook, "
            "a script or another function), or use one of the strings that the "
            "parameter takes."
        )
    return name


def _find(name):
    """Import the object of a qualified name."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name + ".").startswith(error.name + "."):
                continue
            raise
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(f"There is no module {parts[0]!r}.")


def by_name(trusted):
    """Map the names that a file may use to their functions and classes."""
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names; got the str {trusted!r}.")
    found = {}
    for item in trusted:
        if isinstance(item, str):
            try:
                function = _find(item)
            except (ImportError, AttributeError, ValueError) as error:
                raise ValueError(
                    f"trusted holds {item!r}, which cannot be imported: {error}."
                ) from error
            found[item] = function
        else:
            function = item
        found[qualified_name(function, "An item of trusted")] = function
    return found
