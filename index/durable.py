"""Files and folders that appear under their name whole, and stay there through a power cut."""

import os
from pathlib import Path


def publish(partial: Path, final: Path) -> None:
    """Give a finished file or folder its name; on return the name is on disk too. Raises OSError.

    What `partial` holds must be on disk already.
    """
    partial.rename(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk. Where a system opens no folders (Windows), it does so by itself."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
