from pathlib import Path

import numpy as np

from harness.compare.rows import collect
from harness.report.plots import write_plots
from harness.report.step_plot import steps, value_scale
from harness.report.style import look
from tests.toy_paper import ToyPaper, draws


def test_every_kind_is_drawn_as_svg(toy: ToyPaper, tmp_path: Path) -> None:
    toy.add({"accuracy": draws(95, 4)})
    toy.add({"accuracy": draws(95, 4)}, seed=1)
    toy.add({"accuracy": draws(99, 4)}, variant="fancy", budget="0.1")
    x = draws(4, 1)
    x[0] = np.inf
    with np.errstate(invalid="ignore"):
        toy.add({"mse@0": draws(4, 1), "mse@1": draws(0.6, 0.1), "mse@2": x}, cell="curves")
    paths = write_plots(collect(toy.results), tmp_path / "plots")
    wanted = {
        *("images-plain-curve", "images-fancy-curve", "images-paper-accuracy"),
        *("curves-plain-curve", "curves-steps-mse", "curves-paper-mse"),
    }
    assert {p.stem for p in paths} == wanted
    assert all(p.parent == tmp_path / "plots" / "toy" for p in paths)
    drawn = {p.name: p.read_text() for p in paths}
    assert "inconclusive (1 seed)" in drawn["curves-paper-mse.svg"]
    assert "(1 seed)" not in drawn["images-paper-accuracy.svg"]  # two seeds; reduced budget
    assert all(text.startswith("<?xml") for text in drawn.values())
    assert all(p.suffix == ".svg" for p in paths)


def test_a_curve_says_where_the_paper_ends(toy: ToyPaper, tmp_path: Path) -> None:
    toy.add({"accuracy": draws(95, 4)}, budget="0.1")
    write_plots(collect(toy.results), tmp_path)
    drawn = (tmp_path / "toy" / "images-plain-curve.svg").read_text()
    # Text is drawn as outlines; matplotlib leaves each string in a comment.
    assert "<!-- accuracy at test: here 95.00, paper 95.0 ± 0.4 -->" in drawn
    assert drawn.count("<!-- paper, at test -->") == 1
    toy.add({"accuracy": draws(95, 4)}, variant="ours")
    write_plots(collect(toy.results), tmp_path)
    assert "at test" not in (tmp_path / "toy" / "images-ours-curve.svg").read_text()


def test_a_curve_is_that_of_the_longest_training(toy: ToyPaper, tmp_path: Path) -> None:
    for budget in ("0.08", "0.17"):
        toy.add({"accuracy": draws(95, 4)}, budget=budget)
    write_plots(collect(toy.results), tmp_path)
    drawn = (tmp_path / "toy" / "images-plain-curve.svg").read_text()
    assert "<!-- toy/images, plain, budget 0.17 -->" in drawn


def test_a_curve_is_that_of_the_published_switches_if_there_is_one(
    toy: ToyPaper, tmp_path: Path
) -> None:
    other = ["tasks.x: 1 -> 2"]
    toy.add({"accuracy": draws(95, 4)}, protocol_differences=other)
    write_plots(collect(toy.results), tmp_path)
    curve = tmp_path / "toy" / "images-plain-curve.svg"
    assert "<!-- toy/images, plain, budget full, switches differ -->" in curve.read_text()
    toy.add({"accuracy": draws(95, 4)}, budget="0.1")
    write_plots(collect(toy.results), tmp_path)
    assert "<!-- toy/images, plain, budget 0.1 -->" in curve.read_text()


def test_equal_plots_are_equal_files(toy: ToyPaper, tmp_path: Path) -> None:
    toy.add({"accuracy": draws(95, 4)})
    first, second = (write_plots(collect(toy.results), tmp_path / n) for n in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_without_records_nothing_is_drawn(toy: ToyPaper, tmp_path: Path) -> None:
    assert write_plots(collect(toy.results), tmp_path) == []


def test_steps_are_read_from_metric_names() -> None:
    found = steps(["mse@0", "mse@10", "mse@best", "accuracy"])
    assert found == {"mse": {0: "mse@0", 10: "mse@10"}}


def test_the_scale_of_an_axis_has_room_for_zeros() -> None:
    assert value_scale("accuracy", [0.0, 90.0]) == ("linear", {})
    assert value_scale("mse", [0.1, 1e7]) == ("log", {})
    assert value_scale("log_likelihood", [-162.0, 462.0]) == ("linear", {})
    assert value_scale("bits", [0.0, 0.003, 480.0]) == ("symlog", {"linthresh": 0.003})
    assert value_scale("bits", [0.0, 0.0]) == value_scale("bits", []) == ("linear", {})


def test_series_stay_apart_when_colours_run_out() -> None:
    looks = [tuple(look(i).items()) for i in range(12)]
    assert len(set(looks)) == 12
