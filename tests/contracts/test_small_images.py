"""Images that a paper's pools leave nothing of are refused when the network is built."""

import pytest

from harness.catalog import find_cell
from harness.errors import HarnessError
from harness.run.setup import Setup

DRAWN = {"tasks.dataset": "glyphs", "tasks.train_ways": 5}
COLOURED = {"tasks.dataset": "textures", "tasks.val_queries": 5, "tasks.test_queries": 5}


@pytest.mark.parametrize(
    ("cell", "changes", "pools"),
    [
        ("protonet/omniglot-5way-1shot", DRAWN, 4),
        ("matching/omniglot-5way-1shot", DRAWN, 4),
        ("versa/mini-imagenet-5way-1shot", COLOURED, 5),
        ("cnaps/omniglot-5way-1shot", DRAWN, 4),
        ("closer_look/mini-imagenet-5way-1shot", COLOURED, 4),
        ("meta_sgd/omniglot-5way-1shot", DRAWN, 4),
        ("maml/mini-imagenet-5way-1shot", COLOURED, 4),
        ("maml_plus_plus/omniglot-5way-1shot", DRAWN, 4),
        ("r2d2/cifar-fs-5way-1shot", COLOURED, 4),
    ],
)
def test_what_the_pools_leave_nothing_of(cell: str, changes: dict[str, object], pools: int) -> None:
    chosen = find_cell(cell)
    v = chosen.variant(chosen.names()[0], changes | {"tasks.image_size": 8})
    setup = Setup.at("smoke", v)
    with pytest.raises(HarnessError, match=rf"found (8,|.*images of 8 pixels).*{2**pools}"):
        setup.method(setup.tasks())
