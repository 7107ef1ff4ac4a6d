"""The model card's fixed words: terms of the sets, what the model is for, what must be known."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

LONDON_CREDIT: Final = (
    "Face Research Lab London Set, DeBruine & Jones 2017, [doi:10.6084/m9.figshare.5047666.v5]"
    "(https://doi.org/10.6084/m9.figshare.5047666.v5), CC BY 4.0"
)


class Terms(NamedTuple):
    """A set of faces and what may be done with it."""

    name: str
    what: str
    terms: str


UTKFACE: Final = Terms("UTKFace 60+", "web faces of 60 and more, no label", "research")
TERMS: Final = {
    "ferplus-paper": Terms(
        "FER+ (paper)", "FER2013's PublicTest where more than half of ten votes agree; eight classes",
        "votes MIT (Microsoft FERPlus); images for research",
    ),
    "ferplus": Terms(
        "FER+", "FER2013's web images, 48 px, grey, with ten votes each",
        "votes MIT (Microsoft FERPlus); images for research",
    ),
    "lfw-identities": Terms("LFW, people", "press photographs by person, no expressions", "research"),
    "lfw": Terms("LFW", "press photographs with one noisy label each; who is 60 or more is marked", "research"),
    "london": Terms("London", "adults in even light, neutral and smiling", LONDON_CREDIT),
    "london-pictures": Terms("London, whole pictures", "found and aligned again", LONDON_CREDIT),
    "rendered-people": Terms("rendered, whole pictures", "found and aligned again", "this project, Apache-2.0"),
    "rendered": Terms("rendered people", "drawn by this program, all nine expressions", "this project, Apache-2.0"),
    "elderly": UTKFACE,
    "utkface": UTKFACE,
}  # fmt: skip
"""By the beginning of a prepared set's name."""

INTENDED: Final = """\
## What it is for

Telling *changes* of a person's facial expression to carers who know the person, as one hint among others: on one's own
device, with the consent of the people in view, abstaining when unsure.

## What it must not be used for

- Diagnosis, triage, or any decision about a person without a person.
- Watching staff: inferring emotions at the workplace is banned in the EU but for medical or safety reasons
  (Regulation (EU) 2024/1689, Art. 5(1)(f)). A care home is a workplace.
- Claims about what somebody *feels*: it names what a face shows.
- People who did not consent, people identification, children.
"""

KNOW: Final = """\
## What to know

- **Excitement and relaxation are learned from rendered people alone**: no set of real faces with these labels was at
  hand. On real faces the model says them rarely, and how often it is right is not known.
- **No elderly Japanese people are in the data.** The figures for "60+" are press photographs of public people (LFW),
  mostly neutral or smiling, one noisy label each.
- LFW says only who is 60 or more: everybody else counts as under 60. It does not say who is a woman.
- FER+ names no people: its intervals are over images, and a person may be in its training and its test part. All other
  sets keep people apart, and their intervals are over people.
- FER+ has a class that this model lacks, contempt: in "FER+ (paper)", which counts as the
  paper of FER+ does, such a face is always wrong.
- Rendered people are a test bed: a figure on them says that the pipeline works, not how it does on real faces.
"""

HALF_OF_LONDON: Final = """\
- Every second person of London was learned from; the figures are about the others, photographed in the same studio. A
  camera that nothing was learned from will be harder.
"""


def terms_of(name: str) -> Terms:
    """What is known of a prepared set, by the longest beginning of its name."""
    found = [start for start in TERMS if name == start or name.startswith(f"{start}-")]
    return TERMS[max(found, key=len)] if found else Terms(name, "", "not known to this page")


def to_know(learned: Collection[str]) -> Iterator[str]:
    """What a reader must know.

    Args:
        learned: names of the sets that were learned.
    """
    yield KNOW + (HALF_OF_LONDON if any(name.startswith("london") for name in learned) else "")
