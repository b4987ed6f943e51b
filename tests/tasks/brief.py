"""Pre-training cut short: tests of what follows it need no good backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.forecasting import recipes


def train_briefly(patch: pytest.MonkeyPatch, epochs: int) -> None:
    """Train backbones for so many epochs at most, whatever the split."""
    for split, recipe in recipes.RECIPES.items():
        patch.setitem(recipes.RECIPES, split, replace(recipe, max_epochs=epochs))
