"""AWS's service descriptions, read faster than botocore reads them: most of an emulator's start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from botocore import loaders

Opened = Callable[[str, str], BinaryIO]


class ModelFiles(loaders.JSONFileLoader):
    """Reads botocore's files with orjson: the same objects, with plain dicts for ordered ones."""

    def _load_file(self, full_path: str, open_method: Opened) -> Any:
        if not Path(full_path).is_file():
            return None
        with open_method(full_path, "rb") as file:
            return orjson.loads(file.read())


def install() -> None:
    """Let every session of botocore in this process read its files so."""
    loaders.Loader.FILE_LOADER_CLASS = ModelFiles
