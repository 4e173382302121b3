"""The chain, the tree and the checkpoint file, without a database."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import (
    GENESIS,
    EventRow,
    Head,
    NewEvent,
    Proof,
    StorageError,
    event_hash,
    inclusion_proof,
    merkle_root,
    personal_digest,
    read_checkpoint,
    verify_case,
    verify_inclusion,
    write_checkpoint,
)
from storage.evidence import chain

EVENT = NewEvent("submitted", '{"城市":"武汉"}', "t1", "t2", "key:1", "marketing")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
events = st.builds(NewEvent, texts, texts, texts, texts, texts, texts)
chains = st.lists(events, min_size=1, max_size=5).map(lambda found: chain("c1", 1, GENESIS, found))


def head_of(links: list[EventRow]) -> Head:
    return Head("c1", len(links), links[-1].hash)


def test_event_hash_is_what_the_description_says():
    # Written out by hand: 城市 and 武汉 are six bytes each, with seven marks of JSON around them that makes 19.
    payload = b'19:{"\xe5\x9f\x8e\xe5\xb8\x82":"\xe6\xad\xa6\xe6\xb1\x89"},'
    written = b"baozhuang event 1\x00" + b"64:" + b"0" * 64 + b",2:c1,1:1,9:submitted," + payload
    written += b"2:t1,2:t2,5:key:1,9:marketing,"
    assert event_hash("c1", 1, EVENT, GENESIS) == sha256(written).hexdigest()


def test_personal_digest_is_keyed_with_the_salt():
    written = b"baozhuang personal 1\x00" + b"2:u1," + "6:张三,".encode() + b"-" + b"0:,"
    assert personal_digest("salt", "u1", "张三", None, "") == hmac.new(b"salt", written, "sha256").hexdigest()
    assert personal_digest("salt", "u1", "张三", "", None) != personal_digest("salt", "u1", "张三", None, "")


@given(chains)
@settings(max_examples=30)
def test_a_true_chain_holds_alone_and_with_its_head_and_every_earlier_checkpoint(links):
    assert verify_case("c1", links) is None
    for link in links:
        assert verify_case("c1", links, head_of(links), Head("c1", link.case_seq, link.hash)) is None


@given(chains, st.data())
@settings(max_examples=150)
def test_any_changed_field_is_found_at_its_event(links, data):
    place = data.draw(st.integers(0, len(links) - 1))
    field = data.draw(st.sampled_from(EventRow._fields))
    old = getattr(links[place], field)
    new = old + 1 if isinstance(old, int) else data.draw(texts.filter(lambda text: text != old))
    links = [*links]
    head = head_of(links)
    links[place] = links[place]._replace(**{field: new})
    flaw = verify_case("c1", links, head)
    assert flaw is not None
    assert flaw.seq == place + 1


@given(chains, st.data())
@settings(max_examples=60)
def test_a_deleted_event_is_found(links, data):
    place = data.draw(st.integers(0, len(links) - 1))
    flaw = verify_case("c1", links[:place] + links[place + 1 :], head_of(links))
    assert flaw is not None
    assert (flaw.seq, flaw.code) == (place + 1, "gap")


@given(st.lists(events, min_size=2, max_size=5), st.data())
@settings(max_examples=60)
def test_swapped_events_are_found_even_when_renumbered(found, data):
    links = chain("c1", 1, GENESIS, found)
    first, second = sorted(data.draw(st.lists(st.integers(0, len(links) - 1), min_size=2, max_size=2, unique=True)))
    swapped = [*links]
    swapped[first] = links[second]._replace(case_seq=first + 1)
    swapped[second] = links[first]._replace(case_seq=second + 1)
    flaw = verify_case("c1", swapped, head_of(links))
    assert flaw is not None
    assert flaw.seq == first + 1


@given(chains, st.data())
@settings(max_examples=30)
def test_a_truncated_chain_is_found_by_head_and_by_checkpoint(links, data):
    kept = data.draw(st.integers(0, len(links) - 1))
    flaw = verify_case("c1", links[:kept], head_of(links))
    assert flaw is not None
    assert (flaw.seq, flaw.code) == (kept + 1, "gap")
    # The forger also cuts the application back: only the checkpoint still knows.
    if kept:
        forged = head_of(links[:kept])
        assert verify_case("c1", links[:kept], forged) is None
        flaw = verify_case("c1", links[:kept], forged, head_of(links))
        assert flaw is not None
        assert (flaw.seq, flaw.code) == (kept + 1, "gap")


def test_a_rewritten_chain_that_holds_in_itself_is_found_by_the_checkpoint():
    links = chain("c1", 1, GENESIS, [EVENT, EVENT, EVENT])
    forged = chain("c1", 1, GENESIS, [EVENT, EVENT._replace(occurred_at="t0"), EVENT])
    assert verify_case("c1", forged, head_of(forged)) is None
    flaw = verify_case("c1", forged, head_of(forged), Head("c1", 2, links[1].hash))
    assert flaw is not None
    assert (flaw.seq, flaw.code) == (2, "rewritten")


def test_an_application_that_disagrees_with_its_last_event_is_found():
    links = chain("c1", 1, GENESIS, [EVENT, EVENT])
    for head in (Head("c1", 1, links[0].hash), Head("c1", 2, links[0].hash)):
        flaw = verify_case("c1", links, head)
        assert flaw is not None
        assert (flaw.seq, flaw.code) == (2, "head")


def test_bytes_in_place_of_text_are_a_flaw_not_a_crash():
    (link,) = chain("c1", 1, GENESIS, [EVENT])
    blob: Any = b"\xff"
    flaw = verify_case("c1", [link._replace(payload=blob)], Head("c1", 1, link.hash))
    assert flaw is not None
    assert flaw.code == "altered"


def heads(count: int) -> list[Head]:
    return [Head(f"case-{number:04}", number + 1, sha256(b"%d" % number).hexdigest()) for number in range(count)]


def leaf(head: Head) -> bytes:
    fields = [head.case_id, str(head.seq), head.hash]
    return sha256(b"\x00" + b"".join(b"%d:%s," % (len(f), f.encode()) for f in fields)).digest()


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:])).digest()


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_root_equals_the_recursive_definition(count):
    assert merkle_root(heads(count)) == tree([leaf(head) for head in heads(count)]).hex()


def test_root_refuses_heads_out_of_order_or_twice():
    first, second = heads(2)
    for wrong in ([second, first], [first, first]):
        with pytest.raises(StorageError, match="not sorted"):
            merkle_root(wrong)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_every_case_is_proved_under_the_root_and_no_other(count):
    found = heads(count)
    root = merkle_root(found)
    for place, head in enumerate(found):
        proof = inclusion_proof(found, head.case_id)
        assert proof is not None
        assert (proof.head, proof.place, proof.size) == (head, place, count)
        assert verify_inclusion(proof, root)
        assert not verify_inclusion(proof._replace(head=head._replace(seq=head.seq + 1)), root)
        assert not verify_inclusion(proof._replace(head=head._replace(hash="0" * 64)), root)
        assert not verify_inclusion(proof, merkle_root(heads(count + 1)))
        if count > 1:
            assert not verify_inclusion(proof._replace(siblings=proof.siblings[1:]), root)
            assert not verify_inclusion(proof._replace(place=(place + 1) % count), root)
    assert inclusion_proof(found, "nobody") is None
    assert not verify_inclusion(Proof(found[0], count, count, ()), root)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_checkpoint_is_plain_json_and_comes_back(tmp_path: Path, count):
    path = tmp_path / "checkpoint.json"
    written = write_checkpoint(path, "2026-01-05T10:00:00.000000+08:00", lambda: heads(count))
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "format": "baozhuang-checkpoint-3",
        "created_at": "2026-01-05T10:00:00.000000+08:00",
        "cases": count,
        "records": 0,
        "root": merkle_root(heads(count)),
        "heads": [list(head) for head in heads(count)],
    }
    read = read_checkpoint(path)
    assert read == written
    assert list(read.heads()) == heads(count)
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.json"]


def test_a_checkpoint_of_heads_that_change_meanwhile_is_not_written(tmp_path: Path):
    passes = iter([heads(3), heads(4)])
    with pytest.raises(StorageError, match="root"):
        write_checkpoint(tmp_path / "checkpoint.json", "t", lambda: next(passes))
    assert not (tmp_path / "checkpoint.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("case-0001", "case-0009", "not sorted"),
        ('"case-0002", 3', '"case-0002", 4', "root"),
        ('"cases": 3', '"cases": 2', "root"),
        ("baozhuang-checkpoint-3", "baozhuang-checkpoint-9", "format"),
        ("\n]}\n", "\n", "cut short"),
        ('["case-0002", 3', '["case-0002" 3', "line 4"),
        ('"case-0002", 3', '"case-0002", "3"', "line 4"),
        ('{"format"', '"format"', "cannot be read"),
        ('"root"', '"roots"', "a field is missing"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, old, new, told):
    path = tmp_path / "checkpoint.json"
    write_checkpoint(path, "t", lambda: heads(3))
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(StorageError, match=told):
        read_checkpoint(path)


def test_a_checkpoint_of_before_there_were_records_still_holds(tmp_path: Path):
    """As the first format wrote it; the root of two leaves is worked out from the description."""
    found = heads(2)
    root = sha256(b"\1" + leaf(found[0]) + leaf(found[1])).hexdigest()
    lines = ",\n".join(json.dumps(list(head)) for head in found)
    path = tmp_path / "old.json"
    header = f'{{"format": "baozhuang-checkpoint-1", "created_at": "t", "cases": 2, "root": "{root}", "heads": ['
    path.write_text(f"{header}\n{lines}\n]}}\n", encoding="utf-8")
    read = read_checkpoint(path)
    assert (read.cases, read.records, list(read.heads())) == (2, 0, found)


def test_no_checkpoint_there(tmp_path: Path):
    with pytest.raises(StorageError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.json")
