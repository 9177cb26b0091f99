"""Ask an agent through directline-client, in its own environment; prints what it was told as JSON.

Arguments: the endpoint of Direct Line, the secret, and the questions, all of one conversation.
"""

import json
import sys

from directline_client.core import (  # type: ignore[import-not-found]  # not in our environment
    DirectLineClient,
)

ANSWER_S = 20
POLL_S = 0.02


def main() -> None:
    endpoint, secret, *questions = sys.argv[1:]
    client = DirectLineClient(secret=secret, endpoint=endpoint)
    answers = [client.call_llm(question, ANSWER_S, POLL_S) for question in questions]
    json.dump({"conversation": client.conversation_id, "answers": answers}, sys.stdout)


main()
