"""Files and tests by short names, for the lists of mutants."""

from typing import Final

REQUEST: Final = "daarion_gw/wire/request.py"
RECEIVER: Final = "daarion_gw/wire/request_receiver.py"
BUFFER: Final = "daarion_gw/wire/receiver.py"
GRAMMAR: Final = "daarion_gw/wire/grammar.py"
FIELDS: Final = "daarion_gw/wire/fields.py"
CHUNKED: Final = "daarion_gw/wire/chunked.py"
PASSAGE: Final = "daarion_gw/wire/passage.py"
CLIENT: Final = "daarion_gw/wire/client.py"
ANSWER: Final = "daarion_gw/wire/answer.py"
ANSWERS: Final = "daarion_gw/wire/answer_receiver.py"
FRAMES: Final = "daarion_gw/wire/frames.py"
UPGRADE: Final = "daarion_gw/wire/upgrade.py"
RELOCATE: Final = "daarion_gw/wire/relocate.py"
TARGET: Final = "daarion_gw/wire/target.py"


def test(name: str) -> str:
    return f"tests/wire/test_{name}"


def sample(name: str) -> str:
    return f"tests/wire/test_requests.py::test_sample[{name}]"


def answer(name: str) -> str:
    return f"tests/wire/test_answers.py::test_sample[{name}]"


def frames(name: str) -> str:
    return f"tests/wire/test_frames.py::test_frames_that_are_bad_end_the_stream[{name}-whole]"
