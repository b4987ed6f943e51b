"""What the answers of a router come to: accuracies, and what its banks have to do with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memories.base import Router
from tasks.arc.families import FAMILIES, GROUP_OF, GROUPS, TOLD_BY_INPUTS
from tasks.arc.label_scores import accuracy, macro_f1, recalls
from tasks.arc.router_lanes import Answers
from tasks.arc.routing_events import Counts
from tasks.arc.specialisation import (
    Load,
    chance_information,
    group_of_bank,
    normalised_mutual_information,
)
from tasks.association.recall_metrics import accuracy as share
from tasks.base import Metric

Floats = npt.NDArray[np.float64]

OF_GROUP = np.array(GROUP_OF, dtype=np.int64)
HIDDEN = np.array([family.name not in TOLD_BY_INPUTS for family in FAMILIES])
"""Families that inputs alone do not give away."""
BY_CHANCE = 1 / len(FAMILIES)
GROUP_BY_CHANCE = float(((np.bincount(OF_GROUP) / len(OF_GROUP)) ** 2).sum())
"""Share of right groups of whoever guesses a family."""


def label_metrics(answers: Answers, labels: Counts) -> list[Metric]:
    """Accuracy over families and groups, macro F1, and the accuracy of each family."""
    of_family = recalls(answers.predicted, labels, len(FAMILIES))
    groups = accuracy(OF_GROUP[answers.predicted], OF_GROUP[labels])
    found = [
        share(
            "family_accuracy",
            accuracy(answers.predicted, labels),
            BY_CHANCE,
            primary=True,
            answers=len(labels),
        ),
        share("group_accuracy", groups, GROUP_BY_CHANCE),
        share("macro_f1", macro_f1(answers.predicted, labels, len(FAMILIES)), None),
        share(
            "family_accuracy_22",
            float(of_family[HIDDEN].mean()),
            BY_CHANCE,
            primary=True,
            answers=int(HIDDEN[labels].sum()),
        ),
    ]
    found += [
        share("accuracy_of_family", float(value), BY_CHANCE, x=float(family))
        for family, value in enumerate(of_family)
    ]
    return found


def few_shot_metrics(
    predicted: Mapping[int, Counts], labels: Counts, *, whole: bool
) -> list[Metric]:
    """Accuracies after n events of each family, over families and groups, and their means.

    Args:
        predicted: Families [Q] that were predicted, by n.
        labels: Those that are right, [Q].
        whole: Whether they were measured at every n, so that the means can be compared.
    """
    found = []
    for name, chance, of in (
        ("few_shot_accuracy", BY_CHANCE, np.arange(len(OF_GROUP))),
        ("few_shot_group_accuracy", GROUP_BY_CHANCE, OF_GROUP),
    ):
        curve = {n: accuracy(of[answer], of[labels]) for n, answer in predicted.items()}
        found += [share(name, value, chance, x=float(n)) for n, value in curve.items()]
        if whole:
            found.append(share(f"{name}_mean", sum(curve.values()) / len(curve), chance))
    return found


@dataclass(frozen=True)
class BankUse:
    """Which bank each query of test and training events goes to first, and the banks' loads.

    Attributes:
        test: Bank of each test query, [Q].
        train: Bank of each training event, [N].
        banks: How many banks can stand for a group.
        shares: Share of all queries sent to each bank, those that stand for no group included.
        is_group: Whether bank b is group b by construction or by training.
    """

    test: Counts
    train: Counts
    banks: int
    shares: Floats
    is_group: bool

    @classmethod
    def of(cls, router: Router, test: Answers, train: Answers) -> BankUse:
        """What the router says, or its predicted groups where it has no banks."""
        if not router.banks:
            sent = OF_GROUP[test.predicted], OF_GROUP[train.predicted]
            counts = np.bincount(sent[0], minlength=len(GROUPS))
            return cls(*sent, len(GROUPS), counts / counts.sum(), is_group=True)
        columns = router.specialists or len(router.banks)
        counts = test.chosen.sum(axis=0)
        return cls(
            test.routing[:, :columns].argmax(axis=1).astype(np.int64),
            train.routing[:, :columns].argmax(axis=1).astype(np.int64),
            columns,
            counts / max(1, counts.sum()),
            is_group=router.banks_are_groups,
        )

    def metrics(self, labels: Counts, trained_on: Counts, rng: np.random.Generator) -> list[Metric]:
        """Bank accuracy, mutual information of banks with families and groups, and load.

        Args:
            labels: Of the test queries.
            trained_on: Labels of the training events, as the router saw them.
            rng: Source of the permutations whose mean is the zero line of each information.
        """
        groups = OF_GROUP[labels]
        right = self._groups(OF_GROUP[trained_on])[self.test] == groups
        found = [share("bank_accuracy", float(right.mean()), GROUP_BY_CHANCE)]
        for name, of_query in (("family", labels), ("group", groups)):
            found.append(
                share(
                    f"nmi_{name}_bank",
                    normalised_mutual_information(of_query, self.test),
                    chance_information(of_query, self.test, rng),
                )
            )
        return [*found, *self._load()]

    def _groups(self, trained_on: Counts) -> Counts:
        """The group that each bank stands for."""
        if self.is_group:
            return np.arange(self.banks, dtype=np.int64)
        return group_of_bank(self.train, trained_on, self.banks, len(GROUPS))

    def _load(self) -> list[Metric]:
        """How evenly the banks are used; nothing where no query reached a bank."""
        if not self.shares.any():
            return []
        load, banks = Load.of(self.shares), len(self.shares)
        most = float(np.sqrt(banks - 1))
        return [
            Metric("load_entropy", load.entropy, "higher", bounds=(0.0, 1.0), ceiling=1.0),
            Metric("load_cv", load.variation, "lower", bounds=(0.0, most), ceiling=0.0),
            Metric("load_max", load.largest, "lower", bounds=(1 / banks, 1.0), ceiling=1 / banks),
        ]


def bank_marks(router: Router, *, trains: bool) -> tuple[str, ...]:
    """What a row says of the router's banks: whether they are groups, or were trained to be."""
    if trains and router.banks_are_groups:
        return ("guided",)
    return ("groups as banks",) if router.banks_are_groups or not router.banks else ()
