"""Installed distributions: their files and licences."""

from importlib.metadata import PackageNotFoundError, distribution


def find_distribution(name):
    """The installed distribution of that name, or None."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def need_distributions(names):
    """The installed distributions of those names; an error if one is missing."""
    found = [find_distribution(name) for name in names]
    missing = [name for name, dist in zip(names, found, strict=True) if dist is None]
    if missing:
        missing = " ".join(missing)
        raise ImportError(
            f"These distributions in packages are not installed: {missing}. "
            f"Leave them out, or install them with: pip install --no-deps {missing}"
        )
    return found


def files_of(dist):
    """Paths in a distribution's list of files, in sorted order."""
    return sorted(dist.files or (), key=str)


def licenses_of(distributions):
    """``{name: licence}`` of distributions, from their metadata."""
    return {dist.name: _license(dist.metadata) for dist in distributions}


def _license(metadata):
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier", [])
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
    return ", ".join(named) or metadata.get("License", "unknown").partition("\n")[0]
