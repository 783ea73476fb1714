"""A data set of the Hugging Face Hub into a Table, through ``datasets``; no code of the data set is ever run."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from studio.core.errors import DataError
from studio.data import names as known_names
from studio.data.columns import plain, stack
from studio.data.text import listed, quoted
from studio.data.types import FileInfo, Table

MAX_ROWS = 1_000_000
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_TYPES_WITHOUT_ROWS = "Choose one whose rows are text."


def load_hub(dataset_id: str, split: str | None = None) -> Table:
    """Read a data set by its id ("owner/name", or "owner/name:config" for one of several parts).

    All splits are read when none is named; a column ``split`` then tells them apart.

    Raises:
        DataError: no such data set, no network, a login is needed, or it can only be read by running its code.
    """
    wanted, _, config = dataset_id.strip().removeprefix("https://huggingface.co/datasets/").strip("/").partition(":")
    if not _ID.fullmatch(wanted) or ".." in wanted:
        raise DataError(
            "This is not the name of a data set",
            f"{quoted(dataset_id)} does not look like owner/name.",
            "Copy the name from the data set's page, for example databricks/databricks-dolly-15k.",
        )
    found = _fetch(wanted, config or None, split)
    parts: dict[str, Any] = {split or "": found} if not isinstance(found, dict) else dict(found)
    notes: list[str] = []
    tables, files = [], []
    for name, dataset in parts.items():
        table = _table(dataset, notes, name)
        word = known_names.split_word(name)
        if len(parts) > 1 and "split" not in table.column_names:
            table = table.append_column("split", pa.array([word or name] * table.num_rows, pa.string()))
        tables.append(table)
        files.append(FileInfo(f"{wanted}:{name}" if name else wanted, "Hub", table.num_rows, split=word))
    data = stack(tables)
    if not data.num_rows or not data.num_columns:
        raise DataError("There are no rows here", f"{quoted(wanted)} holds no rows that are text.", _TYPES_WITHOUT_ROWS)
    return Table(data, tuple(files), tuple(notes))


def _table(dataset: Any, notes: list[str], name: str) -> pa.Table:
    if len(dataset) > MAX_ROWS:
        notes.append(f"Only the first {MAX_ROWS:,} of {len(dataset):,} rows of {quoted(name)} were taken.")
        dataset = dataset.select(range(MAX_ROWS))
    names = {k: f.names for k, f in dataset.features.items() if type(f).__name__ == "ClassLabel"}
    table = plain(dataset.with_format("arrow")[:], notes)
    for column, words in names.items():
        values = [words[v] if v is not None and 0 <= v < len(words) else None for v in table[column].to_pylist()]
        table = table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()))
    return table


def _fetch(wanted: str, config: str | None, split: str | None) -> Any:
    import datasets

    try:
        _ask(wanted)
        return datasets.load_dataset(wanted, config, split=split)
    except Exception as error:  # noqa: BLE001 - the network, the Hub and every file reader fail in their own ways
        raise _explained(error, wanted, split) from None


def _ask(wanted: str) -> None:
    """One quick question to the Hub, so that no connection is told in seconds and not after many retries.

    With ``HF_HUB_OFFLINE`` set it is not asked; a data set fetched before is then read from the cache.
    """
    import huggingface_hub

    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        huggingface_hub.HfApi().dataset_info(wanted, timeout=10)


def _explained(error: Exception, wanted: str, split: str | None) -> DataError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if {"GatedRepoError"} & kinds or "gated" in text.lower():
        return DataError(
            "This data set asks for a login",
            f"{quoted(wanted)} is open only to people who accepted its terms.",
            "Accept them on its page, run “hf auth login” in a terminal, and try again.",
        )
    if "Config name is missing" in text or "BuilderConfig" in text:
        configs = re.findall(r"'([^']+)'", text)
        return DataError(
            "This data set has several parts",
            f"{quoted(wanted)} has {listed(configs, 8) or 'more than one part'}.",
            f"Name one after a colon: {wanted}:{configs[0] if configs else 'part'}.",
        )
    if "scripts are no longer supported" in text or "trust_remote_code" in text:
        return DataError(
            "This data set can only be read by running its code",
            f"{quoted(wanted)} comes as a program, which is never run here.",
            "Look for a version of it in Parquet, CSV or JSON.",
        )
    offline = {"ConnectionError", "ConnectTimeout", "OfflineModeIsEnabled", "ConnectError", "TimeoutException"}
    if (offline | {"LocalEntryNotFoundError", "TransportError", "ProxyError"}) & kinds:
        return DataError(
            "The Hub cannot be reached",
            f"{quoted(wanted)} has to be downloaded, and there is no connection.",
            "Connect to the internet and try again, or choose a file on this machine.",
            code="offline",
        )
    if "split" in text.lower() and split:
        return DataError(
            "There is no such split", f"{quoted(wanted)} has no part called {quoted(split)}.", "Leave the split empty."
        )
    if {"DatasetNotFoundError", "RepositoryNotFoundError", "FileNotFoundError"} & kinds:
        return DataError(
            "There is no such data set",
            f"{quoted(wanted)} was not found on the Hub, or it is private.",
            "Check the spelling; for a private one run “hf auth login” first.",
        )
    return DataError(
        "This data set cannot be read",
        f"{quoted(wanted)} failed to load ({type(error).__name__}).",
        "Download its files yourself and choose them here.",
    )
