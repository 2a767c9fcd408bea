"""Generations on disk: texts that outlive their files, bounds, and damage."""

from pathlib import Path

import pytest

from pbx.errors import OperatorError
from pbx.store.generations import GenerationStore, KeptGeneration, kept_generation

PLAN = Path("/etc/pbx/dialplan.yaml")
LIST = Path("/etc/pbx/list.txt")


def made(number: int, texts: dict[Path, bytes]) -> KeptGeneration:
    return kept_generation(number, "dialplan.yaml", texts, loaded_epoch=float(number), summary="1 chain")


def fill(store: GenerationStore, count: int) -> None:
    for _ in range(count):
        number = store.next_number
        texts = {PLAN: f"plan {number}".encode(), LIST: b"the same"}
        store.went_live(made(number, texts), texts)


def test_a_generation_is_read_back_by_another_process(tmp_path: Path) -> None:
    fill(GenerationStore(tmp_path), 2)
    again = GenerationStore(tmp_path)
    assert (again.next_number, again.history, again.before()) == (3, [1, 2], 1)
    assert again.texts(1) == {PLAN: b"plan 1", LIST: b"the same"}
    assert again.generations[2].loaded_epoch == 2.0
    assert again.same_as_live({PLAN: b"plan 2", LIST: b"the same"}) == again.generations[2]
    assert again.same_as_live({PLAN: b"plan 1", LIST: b"the same"}) is None
    assert again.same_as_live({PLAN: b"plan 2"}) is None


def test_only_so_many_are_kept_and_their_texts_go_with_them(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path, keep=3)
    fill(store, 10)
    assert sorted(store.generations) == [8, 9, 10]
    assert store.history == [8, 9, 10]
    # Three plans, and the list that they share.
    assert len(list((tmp_path / "texts").iterdir())) == 4
    with pytest.raises(OperatorError, match="generation 7 is not kept: those that are: 8, 9, 10"):
        store.texts(7)


def test_going_back_is_undone_step_by_step(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path)
    fill(store, 4)
    steps = []
    while (number := store.before()) is not None:
        steps.append(number)
        store.went_back(number)
    assert steps == [3, 2, 1]
    assert (store.history, store.next_number) == ([1], 5)


def test_a_generation_that_was_gone_back_from_can_be_taken_again(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path)
    fill(store, 3)
    store.went_back(1)
    store.went_back(3)
    assert (store.history, store.before()) == ([1, 3], 1)


def test_texts_are_nobody_elses_affair(tmp_path: Path) -> None:
    fill(GenerationStore(tmp_path / "generations"), 1)
    assert (tmp_path / "generations").stat().st_mode & 0o077 == 0
    for path in (tmp_path / "generations" / "texts").iterdir():
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', '{"version": 1, "generations": [{}]}'])
def test_an_index_that_cannot_be_read_is_an_empty_one(tmp_path: Path, text: str) -> None:
    fill(GenerationStore(tmp_path), 1)
    (tmp_path / "index.json").write_text(text)
    store = GenerationStore(tmp_path)
    assert (store.generations, store.next_number) == ({}, 1)
    assert "nothing can be rolled back to" in store.complaint
    fill(store, 1)
    assert GenerationStore(tmp_path).complaint == ""


def test_a_text_that_is_gone_or_was_changed_is_not_taken(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path)
    fill(store, 2)
    digest = store.generations[1].files[0].digest
    (tmp_path / "texts" / digest).write_bytes(b"something else")
    with pytest.raises(OperatorError, match="was changed on disk"):
        store.texts(1)
    (tmp_path / "texts" / digest).unlink()
    with pytest.raises(OperatorError, match="cannot be read"):
        store.texts(1)


def test_a_directory_that_cannot_be_written_costs_only_the_rollback(tmp_path: Path) -> None:
    (tmp_path / "generations").write_text("a file in the way")
    store = GenerationStore(tmp_path / "generations")
    with pytest.raises(OperatorError, match="cannot be kept in"):
        fill(store, 1)
    assert store.history == [1]
