"""The names of files that can be read, for choosing files; what is in one decides what it is (:mod:`studio.data.load`)."""

EXTENSIONS: tuple[str, ...] = (
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".txt", ".md", ".gz", ".zip",
)  # fmt: skip
