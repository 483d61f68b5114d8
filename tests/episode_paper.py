"""A made-up paper whose cells are episodes of images, so that methods stand beside each other."""

from __future__ import annotations

from pathlib import Path

from tests.toy_paper import ToyPaper

PAPER = """
[paper]
title = "Toy episodes"
authors = "Doe and Roe"
year = 2020
url = "https://example.org/toy"
code = "none"

[bases.all]
task_source = "color_episodes"
algorithm = "toy"
tasks = { dataset = "textures", pixels = "unit", image_size = 16, resize_filter = "none", \
train_ways = 5, train_shots = 1, train_queries = 1, val_ways = 5, val_shots = 1, val_queries = 1, \
test_ways = 5, test_shots = 1, test_queries = 1 }
training = { iterations = 1000, iteration_cap = 1000, meta_batch = 4, validate_every = 0, \
validation_tasks = 10, validation_metric = "accuracy", selection = "last", patience = 0 }
testing = { tasks = 400, tasks_at_once = 50, task_seed = 7, best_of_steps = false }
method = { rate = 0.1, test_batch_norm = "running" }

[cells.images]
title = "Toy 5-way 1-shot"
bases = ["all"]
variants.plain = {}
variants.fancy = { method = { rate = 0.2 } }
variants.ours = { method = { rate = 0.3 } }
variants.more = { testing = { tasks = 500 } }
variants.together = { method = { test_batch_norm = "transductive" } }

[algorithms.toy]
inference_switch = "test_batch_norm"

[cells.quoted]
title = "A setting that nothing here runs"
published_only = true
"""

PUBLISHED = """\
cell,variants,metric,value,interval,interval_kind,episodes,seeds,table,source,confidence,note,\
method,inference,dataset
images,plain,accuracy,95.0,0.4,ci95,400,,Table 1,Doe (2020),high,,,,
images,plain,accuracy,94.0,,none,400,,Table 2,Roe (2021),high,re-run,,,
images,fancy,accuracy,96.0,,none,400,,Table 1,Doe (2020),high,
images,together,accuracy,97.0,,none,400,,Table 1,Doe (2020),high,,,,
images,,accuracy,91.0,,none,,,Table 1,Doe (2020),low,a net,Other net,transductive,
images,,accuracy,90.0,,none,,,Table 1,Doe (2020),low,nearest neighbour; quoted,,,
images,,accuracy,60.0,,none,,,Table 3,Doe (2020),low,birds,Birds,inductive,cub
quoted,,accuracy,70.0,,none,,,Table 4,Doe (2020),low,no variant and so no setting,,,
"""

METHOD = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Settings:
    rate: float
    test_batch_norm: str

class Toy:
    Settings = Settings
    test_only = frozenset()

ALGORITHMS = {"toy": Toy}
"""


class EpisodePaper(ToyPaper):
    """A checkout with this paper, called `toy`, and records of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        folder = self.replications / "toy"
        (folder / "paper.toml").write_text(PAPER)
        (folder / "published.csv").write_text(PUBLISHED)
        (folder / "method.py").write_text(METHOD)
