"""Which questions exist."""

from __future__ import annotations

from collections import Counter

from tasks.episodic.templates import (
    COMPANIONS,
    DETAIL,
    ENTITY,
    TEMPLATES,
    TEXT_TEMPLATES,
    TIME,
)


def test_texts_can_be_asked_36_kinds_of_questions_and_vectors_35():
    """30 for all values, 3 for the latest, 3 for histories; vectors have no other entities."""
    assert Counter(t.scope for t in TEXT_TEMPLATES) == {
        "all": 30,
        "latest": 3,
        "chronological": 3,
    }
    assert len(TEMPLATES) == 35
    assert set(TEXT_TEMPLATES) - set(TEMPLATES) == {
        t for t in TEXT_TEMPLATES if t.asked == COMPANIONS
    }
    assert len(set(TEXT_TEMPLATES)) == 36


def test_questions_for_all_values_by_the_size_of_their_cue():
    """Of 4 attributes m are given and one of the others is asked: 4*3, 6*2, 4*1; then two more."""
    sizes = Counter(len(t.cue) for t in TEXT_TEMPLATES if t.scope == "all")
    assert sizes == {1: 12, 2: 12, 3: 4, 4: 2}


def test_nothing_given_is_asked():
    for template in TEMPLATES:
        assert template.asked not in template.cue
        assert (template.asked == DETAIL) == (len(template.cue) == 4)


def test_order_is_asked_of_an_entity_alone():
    ordered = [t for t in TEMPLATES if t.scope != "all"]
    assert {t.cue for t in ordered} == {(ENTITY,)}
    assert Counter(t.asked == TIME for t in ordered) == {True: 2, False: 4}
