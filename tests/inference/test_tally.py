"""Counts in memory that processes share."""

from __future__ import annotations

from tridock.inference.monitoring.metrics import PLACE_BYTES, REST, Tally


def test_what_is_added_is_summed_by_key() -> None:
    tally = Tally()
    tally.add(("requests", "/predict", "200"))
    tally.add(("requests", "/predict", "200"), 2)
    tally.add(("é",), 0.5)
    assert tally.totals() == {("requests", "/predict", "200"): 3, ("é",): 0.5}


def test_a_value_that_is_put_replaces_the_one_before() -> None:
    tally = Tally()
    tally.put(("gauge",), 7)
    tally.put(("gauge",), 2)
    assert tally.totals() == {("gauge",): 2}


def test_places_are_summed_and_a_successor_goes_on_where_one_ended() -> None:
    tally = Tally(2)
    tally.add(("rows",), 1)
    for _ in range(2):
        tally.take(1)
        tally.add(("rows",), 10)
    assert tally.totals() == {("rows",): 21}
    assert tally.each(("rows",)) == [1, 20]


def test_where_there_is_no_room_for_more_things_the_rest_is_counted_as_one() -> None:
    tally = Tally(2)
    for number in range(PLACE_BYTES // 16):
        tally.add((str(number),))
    totals = tally.totals()
    assert totals["0",] == 1
    assert sum(totals.values()) == PLACE_BYTES // 16
    assert totals[REST] > 100
