import pytest

from hourpost.rules.hour import HOUR_US, SECOND_US, Schedule, Slot, slots_of

NOW = 1_800_000_000 * SECOND_US


def ago(seconds: int) -> int:
    return NOW - seconds * SECOND_US


def ahead(seconds: int) -> int:
    return NOW + seconds * SECOND_US


class TestSlots:
    def test_spends_of_the_same_ten_seconds_share_a_slot_with_the_moment_of_the_youngest(self):
        assert slots_of([(NOW + 9, 2), (NOW + 1, 3), (ahead(10), 1)]) == [Slot(NOW + 9, 5), Slot(ahead(10), 1)]

    def test_what_is_back_by_the_youngest_spend_is_left_out(self):
        assert slots_of([(ago(3601), 7), (ago(3590), 1), (NOW, 2)]) == [Slot(ago(3590), 1), Slot(NOW, 2)]

    def test_a_refund_empties_its_slot(self):
        assert slots_of([(ago(20), 5), (ago(20), -5), (NOW, 1)]) == [Slot(NOW, 1)]

    def test_a_refunded_spend_brings_nothing_back_early(self):
        assert slots_of([(ago(3601), 7), (NOW, 5), (NOW, -5)]) == [Slot(ago(3601), 7)]

    def test_an_account_that_spent_nothing_has_no_slots(self):
        assert slots_of([]) == []

    def test_an_hour_of_spends_makes_at_most_361_slots(self):
        assert len(slots_of([(ago(second), 1) for second in range(8000)])) <= 361


class TestSchedule:
    def test_free_tokens_are_for_the_first_in_the_queue_now(self):
        assert Schedule.of(NOW, 10, [Slot(ago(60), 7)]).when(3) == NOW

    def test_the_next_wait_for_the_slots_in_order(self):
        schedule = Schedule.of(NOW, 10, [Slot(ago(600), 4), Slot(ago(60), 6)])
        assert [schedule.when(place) for place in (1, 4, 5, 10)] == [
            ahead(3000),
            ahead(3000),
            ahead(3540),
            ahead(3540),
        ]

    def test_more_than_a_plan_away_repeats_the_hour(self):
        schedule = Schedule.of(NOW, 10, [Slot(ago(600), 4), Slot(ago(60), 5)])
        assert [schedule.when(place) for place in (1, 11, 12, 22)] == [
            NOW,
            NOW + HOUR_US,
            ahead(3000) + HOUR_US,
            ahead(3000) + 2 * HOUR_US,
        ]

    def test_a_smaller_plan_waits_until_the_excess_is_back_too(self):
        schedule = Schedule.of(NOW, 4, [Slot(ago(600), 7), Slot(ago(60), 3)])
        assert [schedule.when(place) for place in (1, 2, 5)] == [ahead(3000), ahead(3540), ahead(3000) + HOUR_US]

    @pytest.mark.parametrize(("limit", "place"), [(10, 0), (0, 1)])
    def test_there_is_no_turn_without_a_place_or_a_plan(self, limit, place):
        with pytest.raises(ValueError, match="no position"):
            Schedule.of(NOW, limit, []).when(place)

    def test_the_last_hour_is_counted_by_the_minute_oldest_first(self):
        minutes = Schedule.of(NOW, 10, [Slot(ago(3599), 4), Slot(ago(61), 2), Slot(NOW, 1)]).per_minute()
        assert len(minutes) == 60
        assert (minutes[0], minutes[58], minutes[59], sum(minutes)) == (4, 2, 1, 7)
