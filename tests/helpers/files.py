"""Files that a test goes through: at least one, so that it does not pass on an empty folder."""


def files_in(folder, *patterns, least=1):
    """Return the sorted paths under `folder` that match a pattern, and no fewer than `least`."""
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    assert len(paths) >= least, f"{folder}: {len(paths)} files match {patterns}; want {least}"
    return paths
