"""Text columns -> token ids."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_text.configs import HFTokenizerConfig
from mm_text.hf_tokenizer import HFTokenizer
from mm_text.vocabulary import Vocabulary

from mm_core.api import (
    Checkpoint,
    CheckpointError,
    ConfigError,
    Field,
    InputBatch,
    NotFittedError,
    State,
    Table,
)

Make = Callable[..., Table]
Fit = Callable[..., HFTokenizer]
CLS, SEP, PAD = 1, 2, 0


def said(processor: HFTokenizer, table: Table) -> list[str]:
    """Rows as text, without padding."""
    encoded = processor.encode(table)
    batch = processor.batch(encoded, np.arange(len(table)))
    rows = zip(batch.arrays["input_ids"], batch.arrays["attention_mask"], strict=True)
    decode = processor.vocabulary.tokenizer.decode
    return [decode(ids[mask == 1], skip_special_tokens=False) for ids, mask in rows]


def sentence(words: int, start: int = 0) -> str:
    return " ".join(f"w{(start + i) % 40}" for i in range(words))


# ---- layout


def test_columns_stand_between_the_special_tokens(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(
        title=["w1", None, "w3", " "], body=["w5 w6", "w7", "", None], note=[None, "w8", "w9", None]
    )
    processor = fitted(data, words)
    assert said(processor, data) == [
        "[CLS] w1 [SEP] w5 w6 [SEP]",
        "[CLS] w7 [SEP] w8 [SEP]",
        "[CLS] w3 [SEP] w9 [SEP]",
        "[CLS] [SEP]",
    ]
    encoded = processor.encode(data)
    assert encoded.present.tolist() == [True, True, True, False]
    batch = processor.batch(encoded, np.array([0, 1]))
    assert batch.arrays["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0]]
    assert batch.arrays["attention_mask"].tolist() == [[1] * 6, [1] * 5 + [0]]
    assert all(array.dtype == np.int64 for array in batch.arrays.values())


def test_segments_are_given_only_to_models_that_read_them(
    table: Make, fitted: Fit, word_folder: Callable[..., Checkpoint]
) -> None:
    data = table(a=["w1"], b=["w2"])
    processor = fitted(data, word_folder(type_vocab_size=1))
    assert set(processor.batch(processor.encode(data), np.array([0])).arrays) == {
        "input_ids",
        "attention_mask",
    }


def test_special_tokens_are_those_transformers_writes(
    table: Make, fitted: Fit, minilm: Checkpoint
) -> None:
    data = table(a=["The quick brown fox"], b=["jumps over"])
    reference = transformers.AutoTokenizer.from_pretrained(minilm.location)
    processor = fitted(data, minilm)
    batch = processor.batch(processor.encode(data), np.array([0]))
    expected = reference("The quick brown fox", "jumps over")
    for key in ("input_ids", "token_type_ids", "attention_mask"):
        assert batch.arrays[key].tolist() == [expected[key]]
    one = processor.from_state(HFTokenizerConfig(), [Field("a", "text")], processor.state())
    single = one.batch(one.encode(data), np.array([0])).arrays["input_ids"]
    assert single.tolist() == [reference("The quick brown fox")["input_ids"]]


# ---- length


def test_columns_share_the_length_fairly(table: Make, fitted: Fit, words: Checkpoint) -> None:
    data = table(a=[sentence(3)], b=[sentence(30)], c=[sentence(30, start=7)])
    processor = fitted(data, words, max_length=24)
    ids = processor.batch(processor.encode(data), np.array([0])).arrays["input_ids"][0]
    columns = " ".join(str(i) for i in ids if i != CLS).split(f" {SEP}")
    assert [len(part.split()) for part in columns[:3]] == [3, 9, 8]
    assert len(ids) == 24
    assert ids[-1] == SEP


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 25)] * 3), min_size=1, max_size=5), st.integers(8, 40))
def test_no_row_is_longer_than_its_length_and_short_rows_lose_nothing(
    counts: list[tuple[int, int, int]], max_length: int
) -> None:
    state = _byte_state(max_length)
    frame = pd.DataFrame(
        [[" ".join(["ab"] * n) or None for n in row] for row in counts], columns=list("xyz")
    )
    columns = [Field(name, "text") for name in "xyz"]
    processor = HFTokenizer.from_state(HFTokenizerConfig(), columns, state)
    encoded = processor.encode(Table(frame, Path()))
    tokens = processor.vocabulary.tokenizer
    for i, row in enumerate(counts):
        sizes = [len(tokens.encode(" ".join(["ab"] * n), add_special_tokens=False)) for n in row]
        full = 2 + sum(sizes) + max(0, sum(size > 0 for size in sizes) - 1)
        assert encoded.lengths is not None
        assert encoded.lengths[i] == min(full, max_length)
        assert encoded.present[i] == any(row)


def _byte_state(max_length: int) -> State:
    processor = HFTokenizer(HFTokenizerConfig(max_length=max_length), [Field("x", "text")])
    processor.fit(Table(pd.DataFrame({"x": ["ab ab ab"]}), Path()))
    return processor.state()


def test_length_is_learned_from_the_training_rows(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(a=[sentence(9)] * 99 + [sentence(50)])
    assert fitted(data, words).max_length == 56  # 52 tokens, rounded up to a multiple of 8
    assert fitted(data, words, max_length_quantile=0.9).max_length == 16  # 11 tokens
    assert fitted(data, words, max_length_cap=30).max_length == 30
    assert fitted(data, words, max_length=20).max_length == 20
    assert fitted(table(a=[sentence(39)] * 9 + [" ".join(["w1"] * 500)]), words).max_length == 64


def test_more_than_the_model_reads_is_refused(table: Make, fitted: Fit, words: Checkpoint) -> None:
    with pytest.raises(ConfigError) as caught:
        fitted(table(a=["w1"]), words, max_length=65)
    assert caught.value.value == 65
    assert caught.value.remedy == "set max_length to at most 64"
    assert caught.value.plugin == "text:hf_tokenizer"


def test_fairseq_vocabularies_lose_two_positions(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    settings_file = Path(words.location) / "tokenizer_config.json"
    settings_file.write_text(json.dumps({"pad_token": {"content": "[CLS]"}}))  # id 1, as <pad> is
    assert fitted(table(a=[sentence(39)]), words, max_length=62).max_length == 62
    with pytest.raises(ConfigError, match="reads 62 tokens"):
        fitted(table(a=[sentence(39)]), words, max_length=63)


def test_too_many_columns_for_the_length_are_refused(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(**{f"c{i}": ["w1"] for i in range(10)})
    with pytest.raises(ConfigError) as caught:
        fitted(data, words, max_length=20)
    assert "10 text columns need at least 21 tokens" in caught.value.message
    assert fitted(data, words, max_length_cap=21).max_length == 21


def test_a_megabyte_in_a_cell_costs_no_more_than_a_page(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    import tracemalloc

    data = table(a=["w1 " * 350_000, "w2"])
    processor = fitted(data, words, max_length=32)
    tracemalloc.start()
    encoded = processor.encode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert encoded.lengths is not None
    assert encoded.lengths.tolist() == [32, 3]
    assert peak < 5_000_000
    assert len(encoded.arrays["tokens"].flat) == 35


# ---- rows


def test_a_batch_is_its_rows_one_by_one(table: Make, fitted: Fit, words: Checkpoint) -> None:
    rng = np.random.default_rng(0)
    cells: list[Any] = [None, "", 7, 2.5, True, "w1", *(sentence(n) for n in (2, 9, 30))]
    frame = {name: [cells[i] for i in rng.integers(0, 9, 60)] for name in "abc"}
    data = Table(pd.DataFrame(frame, dtype=object), Path())
    processor = fitted(data, words, max_length=32)
    encoded = processor.encode(data)
    order = rng.permutation(60)
    batch = processor.batch(encoded, order)
    for position, row in enumerate(order):
        single_table = data.take(np.array([row]))
        single = processor.batch(processor.encode(single_table), np.array([0]))
        width = single.arrays["input_ids"].shape[1]
        for key, array in batch.arrays.items():
            assert array[position, :width].tolist() == single.arrays[key][0].tolist()
            assert not array[position, width:].any()
        assert batch.present[position] == single.present[0]


def test_batches_are_no_wider_than_their_longest_row(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(a=[sentence(2), sentence(20), sentence(5)])
    processor = fitted(data, words)
    encoded = processor.encode(data)
    widths = [
        processor.batch(encoded, np.array(rows)).arrays["input_ids"].shape[1]
        for rows in ([0], [0, 2], [1, 0])
    ]
    assert widths == [4, 7, 22]


def test_a_row_without_tokens_still_reads_something(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(a=["w1", None])
    state = fitted(data, words).state()
    bare: dict[str, list[int]] = {"prefix": [], "suffix": [], "separator": []}
    values = {**state.values, "vocabulary": {**state.values["vocabulary"], **bare}}
    bare_state = State(values=values, assets=state.assets)
    processor = HFTokenizer.from_state(HFTokenizerConfig(), [Field("a", "text")], bare_state)
    batch = processor.batch(processor.encode(data), np.array([1]))
    assert batch.arrays["input_ids"].tolist() == [[PAD]]
    assert batch.arrays["attention_mask"].tolist() == [[1]]
    assert processor.info["cls"] is False


def test_bad_cells_are_named_and_a_missing_column_is_missing(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    processor = fitted(table(a=["w1", "w2"], b=["w3", "w4"]), words)
    encoded = processor.encode(table(b=["w3", ["w4"]]))
    assert [(cell.row, cell.column) for cell in encoded.bad] == [(1, "b")]
    assert encoded.present.tolist() == [True, False]
    assert said(processor, table(b=["w3"])) == ["[CLS] w3 [SEP]"]


def test_an_unfitted_processor_says_so(table: Make, fields: Callable[..., list[Field]]) -> None:
    with pytest.raises(NotFittedError):
        HFTokenizer(HFTokenizerConfig(), fields("a")).encode(table(a=["x"]))


# ---- vocabularies


def test_old_checkpoints_without_tokenizer_json(
    table: Make, fitted: Fit, minilm: Checkpoint, tmp_path: Path
) -> None:
    for name in ("vocab.txt", "config.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).write_bytes((Path(minilm.location) / name).read_bytes())
    old = minilm.model_copy(update={"location": str(tmp_path)})
    data = table(a=["Old vocabularies, un-believably, are read."], b=["Too."])
    assert said(fitted(data, old), data) == said(fitted(data, minilm), data)


def test_sentencepiece_checkpoints(table: Make, fitted: Fit, tmp_path: Path) -> None:
    """What microsoft/deberta-v3-base has: spm.model and no tokenizer.json."""
    spm = pytest.importorskip("sentencepiece")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(f"the cat number {i} sat on a mat" for i in range(200)))
    spm.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "spm"), vocab_size=45, minloglevel=2,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]",
        eos_piece="[SEP]", unk_piece="[UNK]",
    )  # fmt: skip
    config = {"model_type": "deberta-v2", "max_position_embeddings": 64, "type_vocab_size": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"vocab_type": "spm"}))
    checkpoint = Checkpoint(name="d", source="f", location=str(tmp_path), format="hf")
    data = table(a=["the cat"], b=["sat"])
    processor = fitted(data, checkpoint)
    (text,) = said(processor, data)
    assert text.replace(" ", "") == "[CLS]thecat[SEP]sat[SEP]"
    assert processor.vocabulary.max_length == 64
    assert not processor.vocabulary.segments


def test_a_folder_without_a_tokenizer_is_refused(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    (Path(words.location) / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        fitted(table(a=["w1"]), words)
    assert caught.value.value == words.location


def test_random_trains_a_vocabulary_that_writes_everything(table: Make, fitted: Fit) -> None:
    data = table(a=["the cat sat on the mat", "the dog sat", None] * 5)
    processor = fitted(data, None, vocab_size=300)
    assert processor.info["vocab_size"] <= 300
    encoded = processor.encode(table(a=["猫 \x00 Ünïcode 🎉"]))
    ids = encoded.arrays["tokens"].flat
    text = processor.vocabulary.tokenizer.decode(ids)
    assert "猫" in text or len(ids) > 5  # bytes, never an unknown token
    assert processor.vocabulary.tokenizer.token_to_id("[UNK]") is None
    assert (encoded.arrays["tokens"].flat < processor.info["vocab_size"]).all()


def test_vocab_size_with_pretrained_weights_is_refused(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    with pytest.raises(ConfigError) as caught:
        fitted(table(a=["w1"]), words, vocab_size=300)
    assert caught.value.value == 300


TRAIN = """
import pandas as pd, hashlib
from pathlib import Path
from mm_core.api import Field, Table
from mm_text.configs import HFTokenizerConfig
from mm_text.hf_tokenizer import HFTokenizer
from mm_text.vocabulary import Vocabulary
texts = [f"word{i % 37} and other{i % 11} things{i % 5} übung {i}" for i in range(500)]
p = HFTokenizer(HFTokenizerConfig(vocab_size=500), [Field("x", "text")])
p.fit(Table(pd.DataFrame({"x": texts}), Path(".")))
print(hashlib.sha256(p.state().assets["tokenizer.json"]).hexdigest())
"""


def test_the_same_texts_train_the_same_vocabulary() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(hashes) == 1


# ---- state


def test_state_round_trip_gives_the_same_tokens(
    table: Make, fitted: Fit, fields: Callable[..., list[Field]], words: Checkpoint
) -> None:
    data = table(a=[sentence(5), None, "w1 unknown"], b=["w2", sentence(60), None])
    for checkpoint in (words, None):
        processor = fitted(data, checkpoint, max_length=24)
        state = processor.state()
        again = State(json.loads(json.dumps(state.values)), state.arrays, dict(state.assets))
        restored = HFTokenizer.from_state(processor.config, fields("a", "b"), again)
        before, after = processor.encode(data), restored.encode(data)
        assert np.array_equal(before.arrays["tokens"].flat, after.arrays["tokens"].flat)
        assert np.array_equal(before.arrays["tokens"].offsets, after.arrays["tokens"].offsets)
        assert dict(restored.info) == dict(processor.info)
        assert set(state.assets) == {"tokenizer.json"}
        json.dumps(dict(processor.info))


EVALUATE = """
import json, sys, numpy as np, pandas as pd
from pathlib import Path
from mm_core.api import Field, State, Table
from mm_text.configs import HFTokenizerConfig
from mm_text.hf_tokenizer import HFTokenizer
from mm_text.vocabulary import Vocabulary
folder = Path(sys.argv[1])
state = State(json.loads((folder / "values.json").read_text()), {},
              {"tokenizer.json": (folder / "tokenizer.json").read_bytes()})
p = HFTokenizer.from_state(HFTokenizerConfig(), [Field("a", "text")], state)
encoded = p.encode(Table(pd.DataFrame({"a": ["w1 w2", None]}), Path(".")))
print(p.batch(encoded, np.arange(2)).arrays["input_ids"].tolist())
print([m for m in ("torch", "transformers", "huggingface_hub") if m in sys.modules])
"""


def test_evaluation_needs_neither_torch_nor_transformers(
    table: Make, fitted: Fit, words: Checkpoint, tmp_path: Path
) -> None:
    state = fitted(table(a=["w1"]), words).state()
    (tmp_path / "values.json").write_text(json.dumps(state.values))
    (tmp_path / "tokenizer.json").write_bytes(state.assets["tokenizer.json"])
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[[1, 6, 7, 2], [1, 2, 0, 0]]", "[]"]


# ---- where tokens stand


def placed(processor: HFTokenizer, data: Table, rows: list[int]) -> InputBatch:
    """A batch of a task that needs tokens."""
    processor.needs = ("tokens",)
    return processor.batch(processor.encode(data), np.array(rows))


def test_tokens_say_where_in_which_cell_they_stand(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    data = table(
        title=["  w1\tw2", None, "w3", " "],
        body=["\n w5  w6", "w7", "", None],
        n=[7, None, 8.5, None],
    )
    processor = fitted(data, words)
    made = placed(processor, data, [2, 0, 3, 1])
    assert [len(one) for one in made.meta["offsets"]] == [
        int(mask.sum()) for mask in made.arrays["attention_mask"]
    ]
    found = []
    for row, places, columns in zip(
        [2, 0, 3, 1], made.meta["offsets"], made.meta["columns"], strict=True
    ):
        cells = [data.frame[field.column].iloc[row] for field in processor.fields]
        cells = [cell if isinstance(cell, str) else str(cell).removesuffix(".0") for cell in cells]
        assert (places[columns < 0] == 0).all()
        found.append(
            [
                (int(column), cells[column][start:end])
                for column, (start, end) in zip(columns, places, strict=True)
                if column >= 0
            ]
        )
    assert [[pair for pair in row if pair[0] < 2] for row in found] == [
        [(0, "w3")],
        [(0, "w1"), (0, "w2"), (1, "w5"), (1, "w6")],
        [],
        [(1, "w7")],
    ]
    assert "".join(cell for column, cell in found[0] if column == 2) == "8.5"
    plain = fitted(data, words)
    without = plain.batch(plain.encode(data), np.array([2, 0, 3, 1]))
    assert without.meta == {}
    for name, values in without.arrays.items():
        assert np.array_equal(values, made.arrays[name])


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_places_cover_any_text(texts: list[str]) -> None:
    """Bytes of one character share its place; what lies between two places is white space."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    data = Table(pd.DataFrame({"a": pd.Series([*texts, "a b"], dtype=object)}), Path())
    config = HFTokenizerConfig(max_length=256, vocab_size=300)
    processor = HFTokenizer(config, [Field("a", "text")])
    processor.fit(data)
    made = placed(processor, data, list(range(len(texts))))
    for text, places in zip(texts, made.meta["offsets"], strict=True):
        inside = places[places[:, 1] > places[:, 0]]
        covered = np.zeros(len(text), dtype=bool)
        for start, end in inside:
            covered[start:end] = True
        left = "".join(char for char, there in zip(text, covered, strict=True) if not there)
        assert not left.strip()
        assert (np.diff(inside[:, 0]) >= 0).all()


def test_cut_columns_keep_their_own_places(table: Make, fitted: Fit, words: Checkpoint) -> None:
    data = table(a=[sentence(30)], b=[sentence(30, 5)])
    processor = fitted(data, words, max_length=13)
    made = placed(processor, data, [0])
    (places,), (columns,) = made.meta["offsets"], made.meta["columns"]
    assert columns.tolist() == [-1, 0, 0, 0, 0, 0, -1, 1, 1, 1, 1, 1, -1]
    for column, cell in enumerate((sentence(30), sentence(30, 5))):
        read = [cell[start:end] for start, end in places[columns == column]]
        assert read == cell.split()[:5]


# ---- once


def test_texts_that_the_length_is_learned_from_are_tokenised_once(
    table: Make, fitted: Fit, words: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    tokenize = Vocabulary.tokenize

    def noted(self: Vocabulary, texts: list[str], limit: int) -> Any:
        done.extend(texts)
        return tokenize(self, texts, limit)

    monkeypatch.setattr(Vocabulary, "tokenize", noted)
    data = table(title=[sentence(9), "w1", None, "w1"], body=[sentence(60), None, "w2", "w3 w4"])
    processor = fitted(data, words, max_length_quantile=0.5)
    assert processor.max_length < 32
    first = processor.encode(data).arrays["tokens"]
    assert sorted(done) == sorted([sentence(9), "w1", "w1", sentence(60), "w2", "w3 w4"])
    done.clear()
    again = processor.encode(data).arrays["tokens"]  # what was kept is gone
    assert len(done) == 6
    np.testing.assert_array_equal(first.flat, again.flat)
    np.testing.assert_array_equal(first.offsets, again.offsets)


def test_other_texts_beside_those_it_was_fitted_on(
    table: Make, fitted: Fit, words: Checkpoint
) -> None:
    learned = table(title=["w1 w2", "w3"])
    mixed = table(title=["w5", "w3", None, "w6 w7", "w1 w2"])
    processor = fitted(learned, words)
    fresh, known = processor.encode(mixed), processor.encode(mixed)
    np.testing.assert_array_equal(fresh.arrays["tokens"].flat, known.arrays["tokens"].flat)
    np.testing.assert_array_equal(fresh.lengths, known.lengths)
