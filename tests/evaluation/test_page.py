"""The examples of docs/outside_models.md run as they stand there, on glyphs and a few tasks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import harness
from harness.data.torchvision_import import import_torchvision

PAGE = Path(__file__).resolve().parents[2] / "docs" / "outside_models.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FEW = {"tasks.dataset": "glyphs", "testing.tasks": 4, "testing.tasks_at_once": 2}


@pytest.mark.parametrize(
    ("number", "mode"),
    [(0, torch.enable_grad), (1, torch.enable_grad), (1, torch.no_grad), (1, torch.inference_mode)],
)
def test_an_example_runs(number, mode, monkeypatch, tmp_path, capsys):
    import_torchvision("torchvision.models")
    real, given = harness.evaluate, []

    def on_glyphs(cell, model, **more):
        with mode():
            given.append(real(cell, model, overrides=FEW, **more))
        return given[-1]

    monkeypatch.setattr(harness, "evaluate", on_glyphs, raising=False)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    elsewhere = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5)
    )
    torch.save(elsewhere.state_dict(), "trained_elsewhere.pt")
    exec(compile(EXAMPLES[number], str(PAGE), "exec"), {})
    [result] = given
    assert result.n == 4
    assert result.mean > 20, "even untrained features are better than chance on glyphs"
    assert capsys.readouterr().out == f"{result}\n"


def test_the_page_has_two_examples():
    assert len(EXAMPLES) == 2
