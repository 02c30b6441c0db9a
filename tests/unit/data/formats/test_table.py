"""Tables, as users have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.formats import table
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError, UnknownName


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(6):
        (tmp_path / f"{i}.png").write_bytes(encode_png(np.full((3, 3, 1), i, np.uint8)))
    return tmp_path


def opened(root: Path, text: str | bytes, name: str = "t.csv", **options: Any) -> Dataset:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return table.read(str(root / name), ReadOptions(**options))


def problem(data: Dataset, name: str) -> Finding:
    return next(f for f in data.read_findings if f.name == name)


def names(data: Dataset) -> list[str]:
    assert data.classes is not None
    return [data.classes.names[k] for k in data.targets.value.tolist()]


def test_path_and_label(root: Path) -> None:
    data = opened(root, "path,label\n0.png,cat\n1.png,dog\n2.png,cat\n")
    assert list(data.ids) == ["0.png", "1.png", "2.png"]
    assert names(data) == ["cat", "dog", "cat"]
    assert int(data.pixels.read(2)[0, 0, 0]) == 2
    assert "target 'label'" in data.messages[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_delimiters_byte_order_marks_and_line_ends(root: Path, delimiter: str, start: bytes) -> None:
    text = "\r\n".join(delimiter.join(row) for row in (("image", "class"), ("0.png", "a"), ("1.png", "b")))
    data = opened(root, start + text.encode())
    assert names(data) == ["a", "b"]


def test_utf_16_is_read_and_latin_1_refused_with_the_way_out(root: Path) -> None:
    text = "path,label\n0.png,K\u00e4fer\n1.png,dog\n"
    assert names(opened(root, text.encode("utf-16"))) == ["K\u00e4fer", "dog"]
    with pytest.raises(DataError, match=r"line 2 is not UTF-8 .*iconv"):
        opened(root, text.encode("latin-1"))


def test_the_path_column_is_found_by_content(root: Path) -> None:
    data = opened(root, "what,where\na,0.png\nb,1.png\n")
    assert list(data.ids) == ["0.png", "1.png"]
    assert names(data) == ["a", "b"]


def test_quoted_cells_and_spaces(root: Path) -> None:
    data = opened(root, 'path,label\n"0.png","dog, brown"\n 1.png , cat \n2.png,cat\n')
    assert names(data) == ["dog, brown", "cat", "cat"]


def test_prices_are_numbers_and_ids_are_classes(root: Path) -> None:
    priced = opened(root, "path,price\n0.png,1.5\n1.png,2e3\n2.png,-4\n")
    assert priced.target_type == "number"
    assert priced.outputs == ("price",)
    assert priced.targets.value.ravel().tolist() == [1.5, 2000.0, -4.0]
    rows = "".join(f"{i}.png,{(i % 2) * 5}\n" for i in range(6))
    few = opened(root, "path,kind\n" + rows)
    assert few.classes is not None
    assert (few.target_type, few.classes.ids) == ("label", (0, 5))
    assert any("--task regress" in note for note in few.messages)
    assert opened(root, "path,kind\n" + rows, target_type="number").target_type == "number"
    assert opened(root, "path,price\n0.png,1.5\n1.png,2.5\n", target_type="label").target_type == "label"


def test_decimal_commas(root: Path) -> None:
    data = opened(root, "path;price\n0.png;1,5\n1.png;20\n2.png;0,25\n")
    assert data.targets.value.ravel().tolist() == [1.5, 20.0, 0.25]
    assert any("decimal" in note for note in data.messages)


def test_numbers_written_in_several_ways_are_one_class(root: Path) -> None:
    data = opened(root, "path,label\n0.png,1\n1.png,01\n2.png,1.0\n3.png,2\n", target_type="label")
    assert data.classes is not None
    assert data.classes.names == ("1", "2")
    assert data.targets.value.tolist() == [0, 0, 0, 1]
    assert any("one class" in note for note in data.messages)


@pytest.mark.parametrize(
    ("column", "separator"), [("labels", "|"), ("labels", ","), ("tags", ";"), ("x", "|")]
)
def test_several_labels_in_a_cell(root: Path, column: str, separator: str) -> None:
    text = f'path,{column}\n0.png,"a{separator}b"\n1.png,b\n2.png,\n'
    data = opened(root, text)
    assert data.targets.multilabel
    assert data.targets.value.tolist() == [[True, True], [False, True], [False, False]]
    assert problem(data, "no-labels").items == ("2.png",)


def test_a_column_of_0_and_1_for_each_class(root: Path) -> None:
    data = opened(root, "path,cat,dog,note\n0.png,1,0,x\n1.png,1,1,y\n", target="cat,dog")
    assert data.classes is not None
    assert data.classes.names == ("cat", "dog")
    assert data.targets.value.tolist() == [[True, False], [True, True]]


def test_several_numbers(root: Path) -> None:
    data = opened(root, "path,x,y\n0.png,1,0.5\n1.png,3,4\n", target="x,y")
    assert data.outputs == ("x", "y")
    assert data.targets.value.tolist() == [[1.0, 0.5], [3.0, 4.0]]


def test_splits_and_groups(root: Path) -> None:
    rows = "path,label,split,patient\n0.png,a,train,p1\n1.png,b,training,p1\n"
    rows += "2.png,a,Validation,p2\n3.png,b,test,p3\n"
    data = opened(root, rows)
    assert data.splits.tolist() == ["train", "train", "val", "test"]
    assert data.groups is not None
    assert data.groups.tolist() == ["p1", "p1", "p2", "p3"]
    assert not data.read_findings


def test_unknown_splits_are_an_error(root: Path) -> None:
    data = opened(root, "path,label,split\n0.png,a,train\n1.png,b,holdout\n")
    assert problem(data, "split-unknown").items == ("1.png (holdout)",)
    assert data.splits.tolist() == ["train", ""]


def test_missing_files_and_truths_are_left_out_and_listed(root: Path) -> None:
    data = opened(root, "path,price\n0.png,1.5\ngone.png,2\n1.png,NaN\n2.png,\n3.png,inf\n4.png,2.5\n")
    assert list(data.ids) == ["0.png", "4.png"]
    assert problem(data, "files-missing").items == ("gone.png",)
    reported = problem(data, "target-missing")
    assert (reported.severity, reported.items) == ("error", ("1.png", "2.png", "3.png"))
    labels = opened(root, "path,label\n0.png,a\n1.png,\n2.png,nan\n3.png,none\n")
    assert names(labels) == ["a", "none"]


def test_repeated_and_contradicting_rows(root: Path) -> None:
    data = opened(root, "path,label\n0.png,a\n0.png,a\n1.png,b\n1.png,a\n")
    assert list(data.ids) == ["0.png", "1.png"]
    assert problem(data, "rows-repeated").items == ("0.png",)
    assert (problem(data, "rows-contradict").severity, names(data)) == ("error", ["a", "b"])


def test_broken_rows_are_listed_by_line(root: Path) -> None:
    data = opened(root, "path,label\n0.png,a\n1.png,b,c\n\n2.png\n3.png,b\n")
    assert list(data.ids) == ["0.png", "3.png"]
    assert problem(data, "rows-broken").items == ("line 3", "line 5")


def test_a_class_that_train_never_saw(root: Path) -> None:
    data = opened(root, "path,label,split\n0.png,a,train\n1.png,b,test\n")
    assert problem(data, "class-missing-in-train").items == ("b",)


def test_an_unknown_column_is_refused_with_the_nearest(root: Path) -> None:
    with pytest.raises(UnknownName, match="'price'"):
        opened(root, "path,price,size\n0.png,1,2\n", target="prize")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("path,label\n", "no rows"),
        ("hello\nworld\n", "one column"),
        ("a,b\n1,2\n", "no column holds paths"),
        ("path,x,z\n0.png,1,2\n", "which column holds the target"),
        ("path,label,label\n0.png,1,2\n", "there twice"),
        ("path,label\ngone.png,a\n", "none of the 1 rows"),
        ("path,label\n0.png,\0\n", "NUL"),
    ],
)
def test_unusable_tables_say_why(root: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        opened(root, text)
    assert "t.csv" in str(caught.value)


def test_words_where_numbers_are_wanted(root: Path) -> None:
    with pytest.raises(DataError, match=r"'price' holds 1 cells that are no numbers \('cheap'\)"):
        opened(root, "path,price\n0.png,cheap\n1.png,2\n", target_type="number")


def test_parquet(root: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    result = pa.table(
        {"path": ["0.png", "1.png", "2.png"], "price": [1.5, None, 2.5], "split": ["train"] * 3}
    )
    pq.write_table(result, root / "t.parquet")
    data = table.read(str(root / "t.parquet"), ReadOptions())
    assert data.targets.value.ravel().tolist() == [1.5, 2.5]
    assert problem(data, "target-missing").items == ("1.png",)
    pq.write_table(pa.table({"path": ["0.png", "1.png"], "tags": [["a", "b"], ["b"]]}), root / "l.parquet")
    assert table.read(str(root / "l.parquet"), ReadOptions()).targets.multilabel
    pq.write_table(pa.table({"image": [{"bytes": b"x"}], "label": [1]}), root / "b.parquet")
    with pytest.raises(DataError, match="holds images or records"):
        table.read(str(root / "b.parquet"), ReadOptions())
    (root / "c.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        table.read(str(root / "c.parquet"), ReadOptions())


def values(data: Dataset) -> list[float]:
    assert data.target_type == "number"
    return [float(v) for v in data.targets.value.ravel()]


@pytest.mark.parametrize(
    ("delimiter", "cells", "read"),
    [
        (",", ("985", "1,002"), [985, 1002]),
        (",", ("1,002.5", "7"), [1002.5, 7]),
        (",", ("1,234,567", "8"), [1234567, 8]),
        (",", ("0,125", "0,250"), [0.125, 0.25]),
        (";", ("1,5", "20"), [1.5, 20]),
        (";", ("1.002,5", "985"), [1002.5, 985]),
        (";", ("1 002", "985"), [1002, 985]),
        (";", ("1\u00a0002,25", "-985,5"), [1002.25, -985.5]),
        (";", ("1'002.5", "985"), [1002.5, 985]),
        (";", ("1.125", "2.250"), [1.125, 2.25]),
        (";", ("\u22121.5", "2e3"), [-1.5, 2000]),
    ],
)
def test_numbers_are_read_as_the_column_writes_them(
    root: Path, delimiter: str, cells: tuple[str, str], read: list[float]
) -> None:
    rows = [("path", "price"), *((f"{i}.png", f'"{c}"') for i, c in enumerate(cells))]
    assert values(opened(root, "\n".join(delimiter.join(row) for row in rows))) == read


@pytest.mark.parametrize(
    ("delimiter", "cells"),
    [(",", ("1,002", "2,311")), (";", ("985", "1,002", "1,019")), (";", ("7", "1.125", "2.250"))],
)
def test_thousands_that_may_be_decimals_are_refused(
    root: Path, delimiter: str, cells: tuple[str, ...]
) -> None:
    rows = [("path", "price"), *((f"{i}.png", f'"{c}"') for i, c in enumerate(cells))]
    with pytest.raises(DataError, match=r"column 'price' holds '1.\d\d\d', which may be .* or "):
        opened(root, "\n".join(delimiter.join(row) for row in rows))


def test_a_few_words_among_numbers_do_not_make_them_classes(root: Path) -> None:
    text = "path,price\n" + "".join(f"0.png,{i + 0.5}\n" for i in range(30))
    with pytest.raises(DataError, match=r"holds numbers, and 1 cells that are none \('cheap'\)"):
        opened(root, text + "1.png,cheap\n")


def test_numbers_with_a_sign_do_not_become_classes(root: Path) -> None:
    with pytest.raises(DataError, match=r"numbers with a sign beside them \('0%'\)"):
        opened(root, "path,share\n" + "".join(f"0.png,{i}%\n" for i in range(30)))


def test_boxes_without_a_known_column_of_classes_say_how_to_name_it(root: Path) -> None:
    with pytest.raises(DataError, match="--target and, as it seems to hold boxes, --format boxes"):
        opened(root, "path,xmin,ymin,xmax,ymax,kind\n0.png,1,1,5,5,cat\n1.png,0,1,2,3,dog\n")


def test_leading_zeros_are_names(root: Path) -> None:
    data = opened(root, "path,label\n0.png,001\n1.png,002\n2.png,010\n3.png,001\n")
    assert names(data) == ["001", "002", "010", "001"]


def test_class_numbers_are_classes_however_many(root: Path) -> None:
    for i in range(60):
        (root / f"n{i}.png").write_bytes(encode_png(np.full((3, 3, 1), i, np.uint8)))
    rows = "".join(f"n{i}.png,{i % 30}\n" for i in range(60))
    assert opened(root, "path,class\n" + rows).target_type == "label"
    assert opened(root, "path,age\n" + rows).target_type == "number"
    assert opened(root, "path,class\n" + rows, target_type="number").target_type == "number"
    doubtful = opened(root, "path,label\n" + "".join(f"n{i}.png,{i // 1.1:.0f}\n" for i in range(60)))
    assert (doubtful.target_type, problem(doubtful, "task-in-doubt").severity) == ("number", "warning")


def test_words_for_no_value_are_no_class(root: Path) -> None:
    ids = opened(root, "path,label\n0.png,0\n1.png,1\n2.png,NA\n3.png,None\n4.png,0\n5.png,1\n")
    assert (names(ids), problem(ids, "target-missing").count) == (["0", "1", "0", "1"], 2)
    words = opened(root, "path,label\n0.png,cat\n1.png,dog\n2.png,N/A\n3.png,none\n")
    assert names(words) == ["cat", "dog", "none"]
    assert problem(words, "target-missing").items == ("2.png",)
    assert problem(words, "label-may-be-missing").severity == "error"
    assert any("'N/A' (1 rows) count as no value" in note for note in words.messages)


@pytest.mark.parametrize("first", ["0.png,sea", "0,sea", "gone.jpg,sea", "sea,0.png"])
def test_a_table_without_header_is_refused_and_not_short_of_a_row(root: Path, first: str) -> None:
    with pytest.raises(DataError, match="there is no header: the first line holds the image"):
        opened(root, f"{first}\n1.png,wood\n2.png,sea\n")


def test_tables_as_programs_leave_them(root: Path) -> None:
    assert names(opened(root, "sep=;\r\npath;label\r\n0.png;a\r\n1.png;b\r\n")) == ["a", "b"]
    assert names(opened(root, ",path,label,\n0,0.png,a,\n1,1.png,b,\n")) == ["a", "b"]
    assert names(opened(root, "\n\npath;label\n0.png;one, two\n1.png;b\n")) == ["one, two", "b"]
    assert names(opened(root, 'path, label\n"0.png", "a"\n"1.png", "b"\n')) == ["a", "b"]
    unnamed = opened(root, ",path,price\n0,0.png,1.5\n1,1.png,2.5\n")
    assert (unnamed.outputs, values(unnamed)) == (("price",), [1.5, 2.5])
    with pytest.raises(DataError, match="quote"):
        opened(root, 'path,label\n0.png,"a\n1.png,b\n2.png,c\n')


def test_names_with_backslashes_without_ending_and_in_images(root: Path) -> None:
    (root / "images").mkdir()
    (root / "images/x.png").write_bytes(encode_png(np.full((3, 3, 1), 9, np.uint8)))
    data = opened(root, "image,label\nimages\\x.png,a\n1,b\n")
    assert list(data.ids) == ["images/x.png", "1.png"]
    assert int(data.pixels.read(0)[0, 0, 0]) == 9
    assert list(opened(root, "id_code,diagnosis\nx,a\n1,b\n").ids) == ["images/x.png", "1.png"]


def test_one_column_a_class_is_seen_without_being_named(root: Path) -> None:
    data = opened(root, "filename, cat, dog\n0.png, 1, 0\n1.png, yes, no\n2.png, 1, NA\n")
    assert data.classes is not None
    assert (data.classes.names, data.targets.value.tolist()) == (("cat", "dog"), [[True, False]] * 2)
    assert problem(data, "target-missing").items == ("2.png",)
    with pytest.raises(DataError, match="-1 beside 0 and 1"):
        opened(root, "path,cat,dog\n0.png,1,0\n1.png,-1,1\n", target="cat,dog")
    with pytest.raises(DataError, match="--target cat,dog for several labels"):
        opened(root, "path,cat,dog,age\n0.png,1,0,5\n1.png,1,1,7\n")


def test_a_column_of_masks_is_no_truth_of_a_table(root: Path) -> None:
    with pytest.raises(DataError, match="'mask' holds names of images"):
        opened(root, "image,mask\n0.png,1.png\n2.png,3.png\n")


def test_paths_of_another_machine_are_found_by_their_end(root: Path) -> None:
    rows = ["images\\0.png,cat", "/home/other/1.png,dog", "2.PNG,cat", "3,dog", "9.png,dog"]
    dataset = opened(root, "path,label\n" + "\n".join(rows))
    assert list(dataset.ids) == ["0.png", "1.png", "2.png", "3.png"]
    assert names(dataset) == ["cat", "dog", "cat", "dog"]
    assert problem(dataset, "files-found-elsewhere").count == 4
    assert problem(dataset, "files-missing").items == ("9.png",)


def test_a_column_may_be_called_as_a_file_that_lies_beside(root: Path) -> None:
    (root / "image.jpg").write_bytes((root / "0.png").read_bytes())
    (root / "label.png").write_bytes((root / "0.png").read_bytes())
    assert names(opened(root, "image,label\n0.png,sea\n1.png,wood\n")) == ["sea", "wood"]


def test_a_column_is_named_as_a_shell_takes_it(root: Path) -> None:
    with pytest.raises(DataError, match=r"--target 'weight \(kg\)'"):
        opened(root, "path,weight (kg),height\n0.png,1.5,2.5\n1.png,2.5,3.5\n")


@pytest.mark.parametrize(("column", "mark", "option"), [
    ("tags", " ", "--target tags:space"), ("Target", " ", "--target Target:space"),
    ("labels", "+", "--target labels:+"), ("label", ", ", "--target label:,"),
])  # fmt: skip
def test_labels_with_something_unsure_between_them_are_an_error_that_names_what_divides_them(
    root: Path, column: str, mark: str, option: str
) -> None:
    cells = ["haze", "road", mark.join(["haze", "road"]), mark.join(["road", "haze", "sea"]), "sea", "haze"]
    text = f"path,{column}\n" + "".join(f'{i}.png,"{cell}"\n' for i, cell in enumerate(cells))
    doubt = problem(opened(root, text), "labels-undivided")
    assert doubt.severity == "error"
    assert option in doubt.fix
    outputs = opened(root, text, target=f"{column}:{mark.strip() or 'space'}")
    assert outputs.classes is not None
    assert outputs.classes.names == ("haze", "road", "sea")
    assert outputs.targets.value.sum(1).tolist() == [1, 1, 2, 3, 1, 1]
    assert not any(f.name == "labels-undivided" for f in outputs.read_findings)


def test_class_names_of_several_words_are_no_lists_of_labels(root: Path) -> None:
    kinds = ["golden retriever", "border collie", "hot dog", "dog", "golden retriever", "dog"]
    text = "path,label\n" + "".join(f"{i}.png,{kind}\n" for i, kind in enumerate(kinds))
    assert not opened(root, text).read_findings


def test_columns_of_both_signs_are_a_class_each(root: Path) -> None:
    text = "image_id,Bald,Young\n" + "".join(
        f"{i}.png,{-1 if i % 2 else 1},{-1 if i else 1}\n" for i in range(6)
    )
    data = opened(root, text)
    assert data.target_type == "label"
    assert data.targets.value.tolist() == [[True, True], *[[i % 2 == 0, False] for i in range(1, 6)]]
    assert any("-1 says that it has not" in note for note in data.messages)


def test_what_is_no_label_is_refused_by_its_name(root: Path) -> None:
    with pytest.raises(DataError, match="run-length codes of masks"):
        opened(root, "ImageId,EncodedPixels\n" + "".join(f"{i}.png,{i + 1} 5 60 8\n" for i in range(6)))
    with pytest.raises(DataError, match="the pixels themselves in the column 'pixels'"):
        opened(root, "emotion,pixels\n" + f"1,{' '.join(map(str, range(64)))}\n" * 3)


def put(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(np.full((3, 3, 1), i, np.uint8)))


def test_ids_of_a_table_of_the_training_part_are_not_those_of_test(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{i}.png" for part in ("train", "test") for i in range(1, 5)))
    text = "id,label\n1,frog\n2,truck\n3,frog\n4,truck\n"
    data = opened(tmp_path, text, name="trainLabels.csv")
    assert list(data.ids) == [f"train/{i}.png" for i in range(1, 5)]
    both = text.replace("label", "label,split").replace("frog", "frog,train").replace("truck", "truck,test")
    assert [i.split("/")[0] for i in opened(tmp_path, both, name="all.csv").ids] == ["train", "test"] * 2
    with pytest.raises(DataError, match="could be of several images"):
        opened(tmp_path, text, name="labels.csv")


def test_celebas_own_text_tables_and_their_partition(tmp_path: Path) -> None:
    put(tmp_path, *(f"Img/{i:06d}.png" for i in range(6)))
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Eval").mkdir()
    rows = "".join(f"{i:06d}.png -1 {'-1' if i % 2 else ' 1'}\n" for i in range(6))
    (tmp_path / "Anno/list_attr_celeba.txt").write_text("6\nBald Young \n" + rows)
    (tmp_path / "Eval/list_eval_partition.txt").write_text(
        "".join(f"{i:06d}.png {max(0, i - 3)}\n" for i in range(6))
    )
    data = open_data(tmp_path / "Anno/list_attr_celeba.txt")
    assert data.classes is not None
    assert data.classes.names == ("Bald", "Young")
    assert data.targets.value[:, 1].tolist() == [True, False] * 3
    assert data.splits.tolist() == ["train"] * 4 + ["val", "test"]
    assert any("0 is train" in note for note in data.messages)


def test_a_table_for_each_split_in_its_folder(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{i}.png" for part in ("train", "valid") for i in range(4)))
    for part in ("train", "valid"):
        text = "filename, cat, dog\n" + "".join(f"{i}.png,{i % 2},{int(i < 2)}\n" for i in range(4))
        (tmp_path / part / "_classes.csv").write_text(text)
    data = open_data(tmp_path)
    assert data.format == "table"
    assert data.splits.tolist() == ["train"] * 4 + ["val"] * 4
    assert data.ids[4] == "valid/0.png"
    assert data.targets.value.tolist() == [[False, True], [True, True], [False, False], [True, False]] * 2


def test_a_form_for_answers_is_no_table_of_truths(root: Path) -> None:
    data = opened(root, "id,label\n0.png,cat\n1.png,dog\n", name="sampleSubmission.csv")
    assert problem(data, "target-to-fill-in").severity == "error"
