"""The process's side of the playground: what ends it, and what does not."""

import json
import threading

from run_fakes import PATIENCE_S

from studio.runs.playground_server import Server


class Pair:
    def identity(self):
        return {"base": "b", "tuned": "t"}


def test_it_ends_when_nothing_more_is_asked_and_never_before_its_first_question():
    """It was started for that one; the app, or its own reading thread, may have been held up meanwhile."""
    sent, codes = [], []
    server = Server(Pair, sent.append, idle_s=0.001)
    serving = threading.Thread(target=lambda: codes.append(server.serve()))
    serving.start()
    serving.join(0.2)
    assert serving.is_alive()
    more = threading.Event()

    def lines():
        yield json.dumps({"id": 1, "op": "load"})
        more.wait()

    reading = threading.Thread(target=server.read, args=(lines(),))
    reading.start()
    serving.join(PATIENCE_S)
    assert codes == [0]
    assert [message["type"] for message in sent] == ["status", "result", "end"]
    more.set()
    reading.join()
