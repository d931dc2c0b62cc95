"""The build hook: wheel, editable install and sdist all carry the built screens.

On the sdist too, so that an sdist installs without Node. Where the machine has no Node, the wheel of it is asked for
as a build dependency; where nothing changed, or there is no `web/`, nothing is done.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _builder(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_web", root / "scripts" / "build_web.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class WebBuildHook(BuildHookInterface):
    """Builds `web/` into `server/static/` before the files are gathered."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """The wheel with Node, only where screens must be built and the machine has none."""
        root = Path(self.root)
        builder = _builder(root)
        return [builder.NODE_WHEEL] if builder.is_needed(root) and builder.find_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it gathers files."""
        root = Path(self.root)
        builder = _builder(root)
        try:
            builder.build(root)
        except builder.WebBuildError as error:
            self.app.abort(str(error))
