"""The copies of datasets that are known here, and what is said about any other one.

Digests are of the pixels before resizing (`source_digest`). A lossless dataset is the known one or
another one: a run on other pixels gets no verdict. mini-ImageNet was re-encoded by many people; a
copy with the file names of Ravi and Larochelle's lists counts as theirs, and a note beside the
verdict says that it is not the copy known here.
"""

from __future__ import annotations

from dataclasses import dataclass

CIFAR100 = "99e7d630ea074cc0eb32c8456552d7538ce4ca9eae43c1c76ab7d39c2c7a2bef"


@dataclass(frozen=True)
class Known:
    """A known copy: `digest` of its pixels; `names` (mini-ImageNet only) the sha256 of the 60,000
    file names in Ravi and Larochelle's csv files, sorted, one a line."""

    digest: str
    names: str = ""

    @property
    def lossless(self) -> bool:
        """Return whether every true copy has the same pixels."""
        return not self.names


KNOWN = {
    # 32,460 drawings at 105 x 105, one bit a pixel, in order of class and drawer.
    "omniglot": Known("8f853cf8c6731b6fd1d22dd581d1d8827d615aba47afc4c9d17ef84eea50da03"),
    "lake-runs": Known("a80afe40ef76023ed583c2d18496daa3a2f0d413fb54d6b1a90dcf678dfd16f5"),
    "cifar-fs": Known(CIFAR100),
    "fc100": Known(CIFAR100),
    "mini-imagenet": Known(
        "c9a2457dc95301ab51c30dab24b89aa2356f14120bc021f33d59f66ae64ad8f8",
        names="0f3d86bb524a0170b74dbfbbfbe4842768a4dd54ee4099891418a3dde6747b94",
    ),
}


def note(dataset: str, source_digest: str, names_digest: str = "") -> str:
    """Return why images are not those of the dataset, so that no verdict is given; '' if they
    are."""
    known = KNOWN[dataset]
    if source_digest == known.digest:
        return ""
    which = f"(sha256 {source_digest[:12]}, known is {known.digest[:12]})"
    if known.lossless:
        return f"{dataset} with other pixels than the known copy {which}"
    if names_digest == known.names:
        return ""
    return (
        f"{dataset} with neither the known pixels {which} nor the file names of Ravi and "
        "Larochelle's lists, so perhaps other images"
    )


def caveat(dataset: str, source_digest: str, names_digest: str = "") -> str:
    """Return a note for the verdict that a true dataset is another copy than the one known here, or
    ''."""
    known = KNOWN[dataset]
    if source_digest == known.digest or note(dataset, source_digest, names_digest):
        return ""
    return (
        f"{dataset} in another copy than the one known here (sha256 {source_digest[:12]}), with "
        "the file names of Ravi and Larochelle's lists"
    )
