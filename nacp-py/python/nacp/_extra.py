"""Packages that only some users have: imported where they are needed, and never before."""

from __future__ import annotations

import importlib
from typing import Any


def package(name: str, purpose: str) -> Any:
    """A package that is not needed otherwise.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {name}: pip install {name.partition('.')[0]}", name=name) from error
