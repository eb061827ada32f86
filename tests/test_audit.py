"""The chain of the record: what is changed, added or removed is found and named."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tako.audit import START, check_end, compare, hash_row, verify
from tako.model import AuditRow

COLUMNS = AuditRow.__struct_fields__[1:]


def row(seq: int, before: str, kind: str = "answered") -> AuditRow:
    who = ("ana", "oidc", "page", "10.0.0.7")
    bare = AuditRow(seq, 1000 + seq, kind, "a1", "run-1", *who, "d" * 64, '{"answer":"yes"}', "")
    return replace(bare, hash=hash_row(before, bare))


def chain(length: int, base: tuple[int, str] = (0, START)) -> list[AuditRow]:
    rows: list[AuditRow] = []
    seq, before = base
    for number in range(seq + 1, seq + 1 + length):
        rows.append(row(number, before))
        before = rows[-1].hash
    return rows


def other(value: object) -> object:
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_a_hash_can_be_computed_with_what_every_language_has() -> None:
    first, second = chain(2)
    values = [getattr(second, name) for name in second.__struct_fields__[:-1]]
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    assert second.hash == hashlib.sha256(f"{first.hash}\n{text}".encode()).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_record_as_it_was_written_has_no_finding(length: int) -> None:
    assert verify(chain(length)) == []
    assert check_end(length, length) == []


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("at", [0, 3, 6])
def test_one_changed_value_is_one_finding_that_names_its_row(column: str, at: int) -> None:
    rows = chain(7)
    rows[at] = replace(rows[at], **{column: other(getattr(rows[at], column))})
    (found,) = verify(rows)
    assert found.startswith(f"row {at + 1} (")
    assert "changed" in found


@pytest.mark.parametrize("column", COLUMNS[2:-1])
def test_nothing_in_place_of_a_value_is_found(column: str) -> None:
    rows = chain(3)
    rows[1] = replace(rows[1], **{column: None})
    assert len(verify(rows)) == 1


def test_a_value_cannot_move_into_the_next_column() -> None:
    rows = chain(3)
    rows[1] = replace(rows[1], approval_id=None, run_id="a1")
    assert verify(rows)[0].startswith("row 2 (")


def test_several_changed_rows_are_each_named() -> None:
    rows = chain(9)
    for at in (1, 4, 5):
        rows[at] = replace(rows[at], person="eve")
    assert [found.split(" (")[0] for found in verify(rows)] == ["row 2", "row 5", "row 6"]


def test_a_row_rewritten_with_its_hash_is_noticed_at_the_next() -> None:
    rows = chain(5)
    forged = replace(rows[2], person="eve")
    rows[2] = replace(forged, hash=hash_row(rows[1].hash, forged))
    (found,) = verify(rows)
    assert found.startswith("row 4 (")
    assert "row 3 before it was rewritten" in found


def test_a_removed_row_is_named_as_missing() -> None:
    rows = chain(7)
    del rows[3]
    assert verify(rows) == ["row 4 is missing"]
    del rows[0:2]
    assert verify(rows) == ["rows 1 to 2 are missing", "row 4 is missing"]


def test_rows_cut_off_at_the_end_are_missed_by_their_number() -> None:
    assert verify(chain(7)[:5]) == []
    assert check_end(5, 7) == ["rows 6 to 7 are missing"]
    assert check_end(6, 7) == ["row 7 is missing"]
    assert check_end(8, 7) == ["what comes after row 7 was added: no more were written"]


def test_a_row_that_comes_twice_was_added() -> None:
    rows = chain(5)
    rows.insert(3, rows[2])
    assert verify(rows) == [f"row 3 (answered of approval a1) was added: it comes after row {3}"]


def test_two_rows_that_changed_places_are_both_named() -> None:
    rows = chain(8)
    rows[2], rows[5] = replace(rows[5], seq=3), replace(rows[2], seq=6)
    found = " ".join(verify(rows))
    assert "row 3 (" in found
    assert "row 6 (" in found


def test_an_inserted_row_is_found_though_all_after_it_were_given_new_numbers() -> None:
    rows = chain(6)
    after = [replace(r, seq=r.seq + 1) for r in rows[3:]]
    assert verify([*rows[:3], row(4, rows[2].hash), *after])[0].startswith("row 5 (")


# --- what was pruned


def pruned(length: int) -> tuple[list[AuditRow], tuple[int, str]]:
    """Rows 4, 5 and so on, the last of which tells that those before were pruned."""
    gone = chain(3)
    base = (3, gone[-1].hash)
    rows = chain(length, base)
    detail = json.dumps({"upto": 3, "hash": base[1]})
    last = replace(row(4 + length, rows[-1].hash, "pruned"), approval_id=None, detail=detail)
    return [*rows, replace(last, hash=hash_row(rows[-1].hash, last))], base


def test_a_pruned_record_is_checked_from_where_it_begins() -> None:
    rows, base = pruned(3)
    assert verify(rows, base) == []
    assert verify(rows[1:], base) == ["row 4 is missing"]
    assert verify([replace(rows[0], person="eve"), *rows[1:]], base)[0].startswith("row 4 (")


def test_a_beginning_that_went_without_a_word_is_missed() -> None:
    rows = chain(6)
    assert verify(rows[2:], (2, rows[1].hash)) == [
        "no row tells that the rows up to 2 were pruned: they are missing"
    ]


def test_a_pruned_row_with_nonsense_in_it_tells_nothing() -> None:
    rows, base = pruned(1)
    for detail in (None, "{", "[]", '{"upto":3}'):
        rows[-1] = replace(rows[-1], detail=detail)
        assert any("no row tells" in found for found in verify(rows, base))


# --- against what was kept


def test_what_was_exported_and_is_still_there_has_no_finding() -> None:
    rows = chain(7)
    assert compare(rows, rows[:4]) == []
    assert compare(rows, [rows[6]]) == []
    assert compare(rows, []) == []


def test_a_record_rewritten_to_its_end_is_found_by_the_last_line_that_was_kept() -> None:
    kept = chain(5)
    forged = [replace(kept[0], person="eve")]
    forged[0] = replace(forged[0], hash=hash_row(START, forged[0]))
    for old in kept[1:]:
        forged.append(replace(old, hash=hash_row(forged[-1].hash, old)))
    assert verify(forged) == []
    (found,) = compare(forged, [kept[-1]])
    assert found.startswith("row 5 (")
    assert f"hash was '{kept[-1].hash}'" in found
    assert "person was 'ana', is 'eve'" in compare(forged, kept)[0]


def test_a_record_cut_off_and_gone_on_with_is_found() -> None:
    kept = chain(5)
    assert len(compare(kept[:3], kept)) == 2
    cut = [*kept[:3], row(4, kept[2].hash, "told")]
    found = compare(cut, kept)
    assert [text.split(" (")[0] for text in found] == ["row 4", "row 5"]
    assert found[1].endswith("was exported and is missing")


def test_what_was_pruned_since_is_compared_by_the_last_hash_only() -> None:
    rows, base = pruned(3)
    kept = [*chain(3), rows[0]]
    assert compare(rows, kept, base) == []
    kept[2] = replace(kept[2], hash="0" * 64)
    (found,) = compare(rows, kept, base)
    assert found.startswith("row 3 (")


@given(st.data())
def test_whatever_one_thing_is_done_to_the_rows_is_found(data: st.DataObject) -> None:
    length = data.draw(st.integers(2, 12))
    rows = chain(length)
    at = data.draw(st.integers(0, len(rows) - 1))
    what = data.draw(st.sampled_from(["change", "remove", "double", "swap"]))
    if what == "change":
        column = data.draw(st.sampled_from(COLUMNS))
        rows[at] = replace(rows[at], **{column: other(getattr(rows[at], column))})
    elif what == "remove":
        del rows[at]
    elif what == "double":
        rows.insert(data.draw(st.integers(0, len(rows))), rows[at])
    else:
        to = data.draw(st.integers(0, len(rows) - 1).filter(lambda n: n != at))
        rows[at], rows[to] = rows[to], rows[at]
    assert verify(rows) + check_end(rows[-1].seq, length)
