import numpy as np
import pytest

from tasks.data.csv_series import CsvOptions, read_table
from tasks.data.errors import DataProblem

PLAIN = CsvOptions()
CAUSAL = CsvOptions(fill="causal")
CLEAN = CsvOptions(clean_sentinels=True)


def test_values_columns_and_dates_are_read_in_file_order(write):
    path = write("date,z,a\n2016-01-01 00:00,1,-2.5\n2016-01-01 01:00,3e2,4\n")
    table = read_table(path, PLAIN)
    assert table.columns == ("z", "a")
    np.testing.assert_array_equal(table.values, [[1, -2.5], [300, 4]])
    assert table.values.dtype == np.float64
    assert table.times[1] == np.datetime64("2016-01-01T01:00:00")
    assert table.period == 24
    assert table.notes == ()


def test_the_date_column_is_optional(write):
    table = read_table(write("x\n1\n2\n"), PLAIN)
    assert table.columns == ("x",)
    assert table.times is None
    assert table.period == 1


def test_every_decimal_is_read_to_the_nearest_float(write):
    """The default parser of pandas before 3.1 may be off by one unit in the last place."""
    texts = ["5.827000141143799", "0.1", "30.5310001373291", "1.7976931348623157e308"]
    table = read_table(write("x\n" + "\n".join(texts) + "\n"), PLAIN)
    assert table.values[:, 0].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    ["x,y\r\n1,2\r\n3,4\r\n", "\ufeffx,y\n1,2\n3,4\n", "x, y\n1, 2\n3, 4", '"x","y"\n1,2\n3,4\n'],
)
def test_line_ends_byte_order_mark_spaces_and_quotes_do_not_matter(write, text):
    table = read_table(write(text), PLAIN)
    assert table.columns == ("x", "y")
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])


BAD = [
    # what, text, message, line (None: the file as a whole), remedy
    ("empty file", "", "the file is empty", 1, ""),
    ("empty first line", "\nx\n1\n", "starts with an empty line", 1, ""),
    ("no rows", "date,x\n", "there are no rows under the header", None, ""),
    ("no header", "1,2\n3,4\n", "the first line holds numbers", 1, "add a header row"),
    ("semicolons", "x;y\n1;2\n", "the header 'x;y' is one column", 1, "commas"),
    ("duplicate header", "x,y,x\n1,2,3\n", "column 'x' appears twice", 1, "rename"),
    ("row numbers", ",x\n0,1\n", "column 1 has no name", 1, "index=False"),
    ("date not first", "x,date\n1,2016-01-01\n", "'date' is column 2", 1, "make it the first"),
    ("only dates", "date\n2016-01-01\n", "no column of numbers", 1, ""),
    ("text", "x,y\n1,2\n3,high\n", "column 'y' holds text: 'high'", 3, "drop the column"),
    ("dates unnamed", "when,x\n2016-01-01,2\n", "column 'when' holds text", 2, "name it 'date'"),
    ("booleans", "x,y\n1,True\n3,False\n", "column 'y' holds text: 'True'", 2, ""),
    ("decimal comma", 'x,y\n1,"2,5"\n', "column 'y' holds text: '2,5'", 2, "decimal point"),
    ("bad date", "date,x\n2016-01-01,1\nsoon,2\n", "cannot read 'soon' as a date", 3, ""),
    ("missing", "x,y\n1,2\n,4\n5,6\n,8\n", "'x' has 2 missing values (2 in all)", 3, "causal"),
    ("nan", "x,y\n1,2\n3,nan\n", "column 'y' has 1 missing values (1 in all)", 3, "fill=causal"),
    ("short row", "x,y\n1,2\n3\n", "column 'y' has 1 missing values", 3, "fill=causal"),
    ("blank line", "x,y\n1,2\n\n3,4\n", "column 'x' has 1 missing values (2 in all)", 3, "causal"),
    ("infinite", "x,y\n1,2\n3,-inf\n", "column 'y' holds 1 infinite values (1 in all)", 3, ""),
    ("one long row", "x,y\n1,2\n3,4,5\n", "do not match the 2 columns", None, "as many cells"),
    ("all rows long", "x,y\n1,2,9\n3,4,9\n", "do not match the 2 columns", None, "as many cells"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "line", "remedy"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_a_faulty_file_is_refused_by_finding_line_and_remedy(write, text, message, line, remedy):
    path = write(text)
    with pytest.raises(DataProblem) as caught:
        read_table(path, PLAIN)
    assert message in caught.value.message
    assert caught.value.place == (str(path) if line is None else f"{path}:{line}")
    assert remedy in caught.value.help


@pytest.mark.parametrize("content", [b"x\xff\n1\n", b"x\n1\n\xff\n"])
def test_a_file_that_is_not_text_is_refused(tmp_path, content):
    path = tmp_path / "binary.csv"
    path.write_bytes(content)
    with pytest.raises(DataProblem, match="not UTF-8 text"):
        read_table(path, PLAIN)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(DataProblem, match="cannot be read"):
        read_table(tmp_path / "absent.csv", PLAIN)


def test_causal_fill_repeats_the_past_and_says_how_often(write):
    table = read_table(write("x,y\n1,2\n,4\n5,\n,8\n"), CAUSAL)
    np.testing.assert_array_equal(table.values, [[1, 2], [1, 4], [5, 4], [5, 8]])
    assert table.notes == ("3 missing values were filled by the latest earlier one",)


def test_causal_fill_refuses_a_leading_gap(write):
    path = write("x,y\n1,\n2,3\n")
    with pytest.raises(DataProblem, match="column 'y' starts with 1 missing values") as caught:
        read_table(path, CAUSAL)
    assert caught.value.place == str(path)


def test_sentinels_are_counted_and_left_alone_by_default(write):
    table = read_table(write("x,y\n1,2\n-9999,3\n4,-9999\n5,-9999\n"), PLAIN)
    assert table.values[1, 0] == -9999
    (note,) = table.notes
    assert "3 values <= -9000 (column 'x' has 1, the first on line 3)" in note
    assert "clean_sentinels=true replaces them" in note


def test_cleaning_replaces_sentinels_by_the_latest_valid_value(write):
    table = read_table(write("x,y\n1,2\n-9999,3\n-9000,-9999\n5,-8999\n"), CLEAN)
    np.testing.assert_array_equal(table.values, [[1, 2], [1, 3], [1, 3], [5, -8999]])
    assert "were replaced" in table.notes[0]


def test_cleaning_does_not_fill_missing_values(write):
    path = write("x\n1\n\n-9999\n")
    with pytest.raises(DataProblem, match="1 missing values"):
        read_table(path, CLEAN)
    both = read_table(path, CsvOptions(fill="causal", clean_sentinels=True))
    np.testing.assert_array_equal(both.values, [[1], [1], [1]])


def test_dates_out_of_order_are_kept_in_file_order_with_a_note(write):
    table = read_table(write("date,x\n2016-01-02,1\n2016-01-01,2\n2016-01-03,3\n"), PLAIN)
    np.testing.assert_array_equal(table.values[:, 0], [1, 2, 3])
    assert "goes back 1 times, first on line 3" in table.notes[0]


def test_a_period_below_one_is_refused():
    with pytest.raises(DataProblem, match="'period' must be >= 1, got 0"):
        CsvOptions(period=0)
