from dataclasses import replace

import pytest

from studio.core.errors import ModelError
from studio.models import catalogue as shelves
from studio.models.catalogue import catalogue, embedded, find, load_catalogue, suggested
from studio.models.cautions import speaks

ENTRY = """
  - id: one
    title: One
    family: Ones
    hub_id: org/one
    parameters: 1000
    hidden_size: 8
    layers: 2
    vocabulary: 100
    context: 64
    licence: MIT
    tasks: [chat]
    download_gib: 0.1
    good_for: Good for trying things out.
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "catalogue.yaml"
        path.write_text(text)
        return path

    return write


def test_offers_models_of_all_sizes_for_both_tasks():
    cards = catalogue()
    assert len(cards) >= 29
    assert cards[0].embedded
    assert sum("chat" in card.tasks for card in cards) >= 15
    assert sum(card.architecture == "encoder" for card in cards) >= 8
    assert min(card.parameters for card in cards) < 10e6
    assert max(card.parameters for card in cards) > 30e9


def test_every_card_is_complete_and_plausible():
    for card in catalogue():
        assert card.good_for.endswith("."), card.id
        assert card.licence
        assert card.context >= 512
        # Embeddings and about 12 h² a layer: a typing mistake in a number would stand out.
        rough = card.vocabulary * card.hidden_size + 12 * card.layers * card.hidden_size**2
        assert 0.4 < card.parameters / rough < 2.2, card.id
        if not card.embedded:
            assert 1.8 < card.download_gib * 2**30 / card.parameters < 4.2, card.id


def test_what_is_said_of_an_embedded_base_comes_from_its_folder():
    card = embedded()
    assert card.path is not None
    assert card.path.is_dir()
    assert card.parameters > 0
    assert card.licence == "CC-BY-SA-4.0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bases: []", "bases"),
        ("nothing", "catalogue"),
        ("bases:" + ENTRY + ENTRY, "one"),
        ("bases:" + ENTRY.replace("org/one", "no id at all"), "no id at all"),
        ("bases:" + ENTRY.replace("context: 64", "contexts: 64"), "context"),
        ("bases:" + ENTRY.replace("    layers: 2\n", ""), "layers"),
        ("bases:" + ENTRY.replace("layers: 2", "layers: two"), "layers"),
        ("bases:" + ENTRY.replace("    hub_id: org/one\n", ""), "hub_id"),
        ("bases: [", "catalogue"),
    ],
)
def test_mistakes_are_named(write, text, told):
    with pytest.raises(ModelError) as error:
        load_catalogue(write(text))
    assert told in str(error.value)


def test_an_id_of_our_own_is_taken(write):
    assert [card.id for card in load_catalogue(write("bases:" + ENTRY))] == ["one"]


def test_finds_by_catalogue_id_hub_id_and_folder(workspace, make_folder):
    assert find("seedling-5m", workspace).embedded
    assert find("HuggingFaceTB/SmolLM2-135M-Instruct", workspace).id == "smollm2-135m"
    assert find("smollm2-135m", workspace).path is None
    folder = make_folder()
    assert find(str(folder), workspace).path == folder


@pytest.mark.parametrize("wanted", ["smolm2-135m", "Seedling-5M"])
def test_a_misspelt_id_gets_the_nearest(workspace, wanted):
    with pytest.raises(ModelError) as error:
        find(wanted, workspace)
    assert "Use “s" in error.value.what_to_do


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "   ",
        "a/b/c",
        "no such thing at all",
        "../../etc",
        "/nowhere",
        "x" * 5000,
        "/" + "x" * 5000,
        "~nobody-of-this-name/x",
        "a\x00b",
        "a\\b",
    ],
)
def test_what_is_nothing_is_said_so(workspace, wanted):
    with pytest.raises(ModelError) as error:
        find(wanted, workspace)
    assert error.value.what_to_do


def test_an_unknown_hub_id_without_network_says_what_to_do(workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError) as error:
        find("someone/some-model", workspace)
    assert error.value.code == "offline"


def test_suggests_what_fits_first(workspace, laptop, desktop):
    rows = suggested("chat", laptop, workspace)
    assert rows[0][0].embedded
    ranks = [shelves._ORDER[verdict] for _, verdict, _ in rows]
    assert ranks == sorted(ranks)
    assert all("chat" in card.tasks for card, _, _ in rows)
    strongest = next(card for card, _, _ in suggested("chat", desktop, workspace) if not card.embedded)
    assert strongest.parameters > 2e9


def test_suggests_an_encoder_for_sorting_texts(laptop):
    first = next(card for card, _, _ in suggested("text_classification", laptop) if not card.embedded)
    assert first.architecture == "encoder"
    assert first.parameters < 200e6


@pytest.mark.parametrize("task", ["chat", "text_classification"])
def test_bases_that_know_the_language_of_the_rows_come_first(laptop, task):
    offers = suggested(task, laptop, language="Arabic")
    known = [speaks(card, "Arabic") for card, verdict, _ in offers if verdict != "won't fit"]
    assert known == sorted(known, key={True: 0, None: 1, False: 2}.get)
    assert known[0] is True
    assert offers[0][2].startswith("Knows Arabic.")
    assert any(card.embedded for card, _, _ in offers)
    verdicts = [verdict == "won't fit" for _, verdict, _ in offers]
    assert verdicts == sorted(verdicts)


@pytest.mark.parametrize("language", ["", "English", "mostly English"])
def test_english_rows_change_nothing(laptop, language):
    assert suggested("chat", laptop, language=language) == suggested("chat", laptop)


def test_a_machine_with_no_memory_left_is_told_so(laptop):
    verdicts = {verdict for _, verdict, _ in suggested("chat", replace(laptop, available_memory_gib=0.1))}
    assert verdicts == {"won't fit"}
