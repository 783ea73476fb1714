"""A playground process whose models echo; runnable in place of the real one.

Questions steer it: "hold" says two words and no more until it is cancelled, "hold PATH" also until there is such a file
("hold" is a row of a table, too), "slowly" says a word every 300 ms for long, "boom" fails, "memory" runs out of memory,
"die" ends the process at once, "print" prints to stdout as a library might.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from studio.core.errors import RunError
from studio.runs import playground_server

COMMAND = [sys.executable, str(Path(__file__).resolve())]


@dataclass(frozen=True)
class Chunk:
    base: str
    tuned: str
    base_done: bool = False
    tuned_done: bool = False
    base_tokens: int = 1
    tuned_tokens: int = 2
    base_seconds: float = 0.1
    tuned_seconds: float = 0.2
    notes: tuple[str, ...] = ()


def hold(path, cancelled):
    deadline = time.monotonic() + 600
    while not cancelled() and not (path and Path(path).exists()):
        assert time.monotonic() < deadline, "held in vain"
        time.sleep(0.01)


class EchoPair:
    def identity(self):
        return {"base": "adapter off · echo 000000", "tuned": f"adapter run-1 · {os.getpid()}"}

    def stream(self, messages_base, messages_tuned, sampling, cancelled):
        text = messages_base[-1]["content"]
        match text:
            case "boom":
                raise ZeroDivisionError("secret")
            case "memory":
                raise MemoryError
            case "die":
                os.kill(os.getpid(), 9)
            case "print":
                print("a library talks")
                os.write(1, b'{"type": "chunk"}\n')
            case "wrong":
                raise RunError("This message is too long", "It is.", "Shorten it.")
        held = text.split(" ")[0] == "hold"
        slowly = text == "slowly"
        for number in range(500 if slowly else 4 if held else 2):
            if held and number == 2:
                hold(text.removeprefix("hold").strip(), cancelled)
            if cancelled():
                break
            time.sleep(0.3 if slowly else 0)
            yield Chunk(f"{text}{number} ", f"{messages_tuned[-1]['content'].upper()}{number} ")
        yield Chunk("", "", True, True, notes=("A note.",))

    def answers(self, prompts, sampling, system_prompt, cancelled):
        for index, prompt in enumerate(prompts):
            if prompt == "hold":
                hold("", cancelled)
            if cancelled():
                return
            yield SimpleNamespace(index=index, prompt=prompt, base=f"{system_prompt}:{prompt}", tuned=prompt.upper())

    def classify(self, text):
        return {"labels": ["a", "b"], "base": [0.5, 0.5], "tuned": [0.1, 0.9]}


if __name__ == "__main__":
    playground_server.load_pair = lambda run_dir: EchoPair()
    playground_server.main(sys.argv[1:])
