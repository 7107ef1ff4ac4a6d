"""Old resting faces: whether a model misreads the neutral faces of the old more often than those of the young."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ffe_edge.jsonable import jsonable
from ffe_train.bootstrap import Statistic, intervals, person_sums
from ffe_train.groups import LEAST_SUBJECTS
from ffe_train.metrics import CountArray
from ffe_train.predictions import Predictions, StringArray

OLD_FROM: Final = 60
OLD, YOUNG, UNKNOWN_AGE = "60+", "under 60", "age not known"
NEUTRAL: Final = "neutral"


def age_names(predictions: Predictions) -> StringArray:
    """(N,) ``60+``, ``under 60`` or ``age not known``.

    A set that knows no other ages than 60 and more (LFW's labels do) says by an empty cell that somebody is younger.
    """
    known = ~np.isnan(predictions.age)
    names = np.where(np.nan_to_num(predictions.age) >= OLD_FROM, OLD, YOUNG)
    marks_old_only = known.any() and predictions.age[known].min() >= OLD_FROM
    return names if marks_old_only else np.where(known, names, UNKNOWN_AGE)


def neutral_by_age(predictions: Predictions, resamples: int, seed: int) -> dict[str, Any] | None:
    """Recall of neutral faces, young and old, and how far they are apart; None where either has too few people.

    Args:
        predictions: of one set.
        resamples: how often people, of both ages together, are drawn.
        seed: of the draws.

    Returns:
        Counts and intervals; ``gap`` is young minus old: above 0 the old are misread more often.
    """
    if NEUTRAL not in predictions.labels:
        return None
    is_neutral = predictions.truth == predictions.labels.index(NEUTRAL)
    resting, age = predictions.select(is_neutral), age_names(predictions)[is_neutral]
    old, young = age == OLD, age == YOUNG
    people = [len(np.unique(resting.person[one])) for one in (old, young)]
    if min(people) < LEAST_SUBJECTS:
        return None
    right = resting.predicted == resting.truth
    columns = np.stack([old, old & right, young, young & right], axis=1).astype(np.float64)
    drawn = intervals(
        person_sums(resting.person, columns),
        {"old": share(1, 0), "young": share(3, 2), "gap": lambda m: share(3, 2)(m) - share(1, 0)(m)},
        resamples=resamples,
        seed=seed,
    )
    counts = {"old_images": int(old.sum()), "old_subjects": people[0]}
    counts |= {"young_images": int(young.sum()), "young_subjects": people[1]}
    return {**counts, **{name: jsonable(found[0]) for name, found in drawn.items()}}


def share(part: int, whole: int) -> Statistic:
    """(R, M) sums -> (R, 1) one column over another, nan where that is 0."""

    def statistic(sums: CountArray) -> CountArray:
        over, under = sums[:, part, None], sums[:, whole, None]
        return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)

    return statistic
