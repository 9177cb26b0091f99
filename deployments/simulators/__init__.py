"""The platforms' wire formats, served on loopback: the embedded default and the tests' servers.

Nothing here pretends to be a model: every answer carries `x-supportmax-simulator`, and every
sentence in it is taken from the prompt. `server.py` is the way in; one request goes through
`openai.py` (or its sibling) -> `openai_request.py` -> `reply.py` -> `openai_response.py` ->
`delivery.py`.
"""
