"""A record says which images a run saw; none is written of images that are not what they say."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from harness.data.glyphs import make_glyphs
from harness.data.lake_runs import runs_of_glyphs
from harness.errors import HarnessError
from harness.records.store import find_records
from harness.run import on_record
from harness.run.loop import run
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.lake_runs import LakeRunSettings, LakeRunTasks
from harness.tasks.sinusoids import Sinusoids


@dataclasses.dataclass
class Images:
    data_note: str = ""
    data_caveat: str = ""
    good: list[bool] = dataclasses.field(default_factory=lambda: [True] * 9)

    def check(self) -> None:
        if not self.good.pop(0):
            raise HarnessError("no longer what its digest says.")


@pytest.fixture
def images(monkeypatch):
    """Sinusoids that say they are drawn from images."""
    store = Images()
    monkeypatch.setattr(Sinusoids, "data", lambda self: (store,))
    monkeypatch.setattr(Sinusoids, "data_digest", lambda self: "d" * 64)
    return store


def test_a_record_says_what_is_wrong_with_the_data(make_plan, images):
    images.data_note, images.data_caveat = "other pixels", "another copy"
    plan = make_plan(training__iterations=2, training__iteration_cap=2)
    run(plan)
    [stored] = find_records(plan.results)
    assert (stored.record.data_note, stored.record.data_caveat) == ("other pixels", "another copy")
    assert [s["data"] for s in stored.record.measurement["sessions"]] == ["d" * 64]


@pytest.mark.parametrize(("good", "trained"), [([False], False), ([True, False], True)])
def test_pixels_are_looked_at_before_training_and_before_the_record(
    make_plan, images, good, trained
):
    images.good = good
    plan = make_plan(training__iterations=2, training__iteration_cap=2)
    with pytest.raises(HarnessError, match="no longer what its digest says"):
        run(plan)
    assert find_records(plan.results) == []
    assert (plan.folder() / "train").exists() == trained


def test_a_session_on_other_images_is_told(make_plan, images, monkeypatch):
    plan = make_plan(label="0.05")
    with monkeypatch.context() as earlier:
        earlier.setattr(Sinusoids, "data_digest", lambda self: "e" * 64)
        earlier.setattr(on_record, "test", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(plan)
    run(make_plan(label="0.1"))
    [stored] = find_records(plan.results)
    assert stored.record.data_note == "1 of 2 sessions trained on other images"


def test_sources_of_images_name_what_they_are_drawn_from(monkeypatch):
    counts = {f"{split}_{n}": 1 for split in ("train", "val", "test") for n in ("shots", "queries")}
    ways = {f"{split}_ways": 5 for split in ("train", "val", "test")}
    settings = ImageEpisodeSettings(
        "glyphs", "random-1100-100-423", 0, "none", "one", 16, "nearest", **counts, **ways
    )
    episodes = ImageEpisodes(settings, 0, 0, torch.device("cpu"))
    assert episodes.data() == (episodes.store,)
    assert (episodes.data_note(), episodes.data_caveat()) == ("", "")
    episodes.check_data()
    runs = LakeRunTasks(
        LakeRunSettings("glyphs", "none", "one", 16, "nearest", 5, 1, 1), 0, 0, torch.device("cpu")
    )
    assert runs.data() == (runs.background.store, runs.runs)
    runs.runs = dataclasses.replace(runs_of_glyphs(make_glyphs(16)), source_digest="f" * 64)
    assert runs.data_note().startswith("lake-runs with other pixels")
