"""How the schedule of a fit is laid into less time than it was planned for."""

from __future__ import annotations

import pytest

from mm_core.training.loop.pace import Course, Pace, next_look


def test_a_course_that_is_not_bent_is_the_plan_itself():
    course = Course(1000)
    places = [course.place(step) for step in range(1001)]
    assert places == list(range(1001))
    assert all(type(place) is int for place in places)


def test_a_bent_course_has_no_jump_and_comes_to_its_end():
    course = Course(1000)
    course.bend(10, 110)
    assert course.place(10) == 10
    steps = [course.place(step + 1) - course.place(step) for step in range(10, 110)]
    assert steps == pytest.approx([9.9] * 100)
    assert course.place(110) == course.place(200) == 1000
    course.bend(60, 1000)  # there is time for all of it after all
    assert course.place(60) == pytest.approx(505)
    assert course.place(1000) == 1000
    assert course.place(530) == pytest.approx(752.5)


def test_a_course_is_taken_up_from_its_state():
    course, other = Course(1000), Course(1000)
    course.bend(10, 110)
    course.bend(50, 90)
    other.restore(course.state())
    assert [other.place(step) for step in range(50, 91)] == [
        course.place(step) for step in range(50, 91)
    ]
    assert other.end == 90


def _pace(batches=10, seconds=1.0, held_out=0, validated=None):
    """32 rows a batch, ten batches an epoch, a step each two batches, validated each epoch."""
    pace = Pace(320, 10, 0.5, 10, held_out)
    for done in range(batches):
        pace.batch_done(done * seconds)
    if validated is not None:
        pace.validated(validated, batches * seconds + validated)
    return pace


def test_the_first_batch_is_not_timed():
    pace = Pace(320, 10, 0.5, 10, 0)
    for now in (0.0, 50.0, 51.0, 52.0, 53.0):
        pace.batch_done(now) if now else None
    assert pace.batch_seconds == pytest.approx(1.0)
    assert pace.rows_per_second == pytest.approx(32.0)


def test_a_validation_is_not_part_of_a_batch():
    pace = _pace(validated=30.0)
    pace.batch_done(41.0)
    assert pace.batch_seconds == pytest.approx(1.0)
    assert pace.validation_seconds == 30.0


def test_before_a_validation_was_timed_its_rows_tell():
    assert _pace(held_out=64).validation_seconds == pytest.approx(1.0)
    assert _pace().validation_seconds == 0.0


@pytest.mark.parametrize("validated", [0.0, 3.0, 40.0])
@pytest.mark.parametrize("to_validation", [1, 4, 10])
@pytest.mark.parametrize("seconds", [5.0, 17.0, 100.0, 1234.5])
def test_as_many_steps_as_can_be_validated_in_time(validated, to_validation, seconds):
    pace = _pace(validated=validated)
    steps = pace.steps_within(seconds, to_validation)
    assert steps == 0 or pace.seconds_for(steps, to_validation) <= seconds + 1e-6
    # One more step, or one more with the validation that comes before it, would be late.
    assert pace.seconds_for(steps + 1, to_validation) + validated > seconds


def test_it_is_looked_at_again_more_and_more_often():
    looks, step = [], 0
    while step < 1000:
        step = next_look(step, 1000)
        looks.append(step)
    assert looks[:3] == [100, 190, 271]
    assert looks[-5:] == [996, 997, 998, 999, 1000]
