"""Names of the task sources that papers share, and the classes behind them.

`task_source = "..."` in `paper.toml` has one of these names, or one that the paper's own `tasks.py`
lists (`harness.paper_code`).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from harness.errors import HarnessError, closest
from harness.tasks.source import TaskSource

SOURCES = {
    "image_episodes": "harness.tasks.image_episodes:ImageEpisodes",
    "color_episodes": "harness.tasks.color_episodes:ColorEpisodes",
    "lake_runs": "harness.tasks.lake_runs:LakeRunTasks",
    "sinusoids": "harness.tasks.sinusoids:Sinusoids",
}


def shared_task_source(name: str, own: Iterable[str] = ()) -> type[TaskSource]:
    """Return the task source class called `name`; imported only when asked for.

    HarnessError where there is none; its sentence names those of the paper, `own`, as well.
    """
    if name not in SOURCES:
        known = [*own, *SOURCES]
        raise HarnessError(
            f"found task source {name!r}{closest(name, known)}; wanted one of {', '.join(known)}."
        )
    module, cls = SOURCES[name].split(":")
    source: type[TaskSource] = getattr(import_module(module), cls)
    return source
