"""JSON files are replaced whole, whoever writes at the same time."""

import json
import threading

from studio.runs.json_files import write_json


def test_many_threads_write_one_file_and_it_stays_whole(tmp_path):
    path = tmp_path / "notes.json"
    failed = []

    def write(number):
        try:
            for _ in range(50):
                write_json(path, {"number": [number] * 200})
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(json.loads(path.read_text())["number"])) == 1
