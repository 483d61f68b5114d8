"""Names of task sources in `paper.toml` (`task_source = "..."`) and the classes behind them."""

from __future__ import annotations

from importlib import import_module

from harness.errors import HarnessError, closest
from harness.tasks.source import TaskSource

SOURCES = {
    "image_episodes": "harness.tasks.image_episodes:ImageEpisodes",
    "color_episodes": "harness.tasks.color_episodes:ColorEpisodes",
    "labelled_images": "replications.closer_look.tasks:LabelledImages",
    "lake_runs": "harness.tasks.lake_runs:LakeRunTasks",
    "image_pairs": "replications.siamese.tasks:ImagePairs",
    "sinusoids": "harness.tasks.sinusoids:Sinusoids",
    "frequency_sinusoids": "replications.meta_sgd.tasks:FrequencySinusoids",
    "quadratics": "replications.learned_optimizer.tasks:Quadratics",
    "class_sequences": "replications.mann.tasks:ClassSequences",
    "copy_sequences": "replications.ntm.tasks:CopySequences",
}


def task_source(name: str) -> type[TaskSource]:
    """Give the task source class called `name`; imported only when asked for."""
    if name not in SOURCES:
        raise HarnessError(
            f"found task source {name!r}{closest(name, SOURCES)}; "
            f"wanted one of {', '.join(SOURCES)}."
        )
    module, cls = SOURCES[name].split(":")
    found: type[TaskSource] = getattr(import_module(module), cls)
    return found
