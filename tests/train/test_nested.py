"""Inside one outer fold: who chooses, who is asked, and what wins a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ffe_train.folds import Fold
from ffe_train.nested import Answer, Chosen, candidates, chosen_for, shared_values, trainings_of
from ffe_train.recipes import Transfer
from ffe_train.target_set import Labelled
from ffe_train.trainings import Training, Trainings

PEOPLE, IMAGES = 9, 4


def labelled_people() -> Labelled:
    who, picture = np.divmod(np.arange(PEOPLE * IMAGES), IMAGES)
    return Labelled((picture % 2).astype(np.int64), np.array([f"toy/p{k}" for k in who]), ("calm", "pain"))


def recipe_of(name: str = "toy", **changes: Any) -> Transfer:
    values = {
        "stage": "transfer",
        "name": name,
        "data": "toy",
        "network": {"architecture": "resnet18", "preset": "tiny"},
        "folds": {"outer": 3, "inner": 2},
        "fine_tune": {"epochs": 1, "batch": 8, "learning_rate": 0.02},
        **changes,
    }
    return Transfer.model_validate(values)


class Oracle(Trainings):
    """Inner networks that are right as often as their candidate's learning rate says."""

    def __init__(self, truth: np.ndarray[Any, Any], share: dict[float, float]) -> None:
        self.truth, self.share, self.asked = truth, share, list[Training]()

    def logits(self, training: Training) -> Any:
        self.asked.append(training)
        truth = self.truth[training.ask]
        right = np.arange(len(truth)) < round(self.share[training.recipe.fine_tune.learning_rate] * len(truth))
        return np.eye(2, dtype=np.float32)[np.where(right, truth, 1 - truth)]


@pytest.mark.parametrize(
    ("share", "chosen"),
    [
        pytest.param({0.01: 0.5, 0.02: 0.5, 0.03: 1.0}, 0.03, id="best"),
        pytest.param({0.01: 1.0, 0.02: 1.0, 0.03: 0.5}, 0.02, id="tie-to-the-recipe"),
        pytest.param({0.01: 1.0, 0.02: 0.5, 0.03: 1.0}, 0.01, id="tie-to-the-first"),
    ],
)
def test_inner_folds_choose(share: dict[float, float], chosen: float) -> None:
    labelled, recipe = labelled_people(), recipe_of(choice={"learning_rate": [0.01, 0.02, 0.03]})
    fold = labelled.outer(recipe)[0]
    oracle = Oracle(labelled.class_id, share)
    result = chosen_for(fold, recipe, labelled, oracle)
    assert result.values == {"learning_rate": chosen}
    assert result.recipe.fine_tune.learning_rate == chosen
    assert len(oracle.asked) == 3 * 2
    for training in oracle.asked:
        assert not {*training.train, *training.ask} & {*fold.test}
        assert not {*labelled.person[training.train]} & {*labelled.person[training.ask]}


def test_candidates_are_all_combinations_and_the_recipes_own_come_first() -> None:
    recipe = recipe_of(choice={"rater_weight": [0.3, 0.0], "epochs": [2, 1]})
    values = [value for value, _ in candidates(recipe)]
    assert values[0] == {"rater_weight": 0.0, "epochs": 1}
    assert len(values) == 4
    assert all(value == {"rater_weight": of.targets.rater_weight, "epochs": of.fine_tune.epochs}
               for value, of in candidates(recipe))  # fmt: skip


def test_for_everybody_the_candidate_with_the_best_mean_over_outer_folds_is_taken() -> None:
    recipe = recipe_of(choice={"epochs": [1, 2]})
    fold = Fold(0, 0, np.arange(2), np.arange(2))
    answers = [
        Answer(fold, Chosen(0, recipe, {}, accuracies, 1.0), np.zeros((1, 2, 2), np.float32))
        for accuracies in ((0.5, 0.4), (0.5, 0.9))
    ]
    values, chosen = shared_values(answers, recipe)
    assert values == {"epochs": 2}
    assert chosen.fine_tune.epochs == 2


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        pytest.param({"seeds": [0, 1]}, 3 * (1 + 2), id="nothing-to-choose"),
        pytest.param({"choice": {"epochs": [1, 2]}}, 3 * (2 * 2 + 1), id="choice"),
    ],
)
def test_the_number_of_networks_is_known_before(changes: dict[str, Any], count: int) -> None:
    assert trainings_of(recipe_of(**changes)) == count
