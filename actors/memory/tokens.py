"""How many tokens a text takes, counted by a rule: no vendor's tokenizer is the same as another's."""

# Prose of any European language has four characters a token or more; three is on the safe side.
_ASCII_PER_TOKEN = 3
# Two bytes of UTF-8 a token: one for a letter of Cyrillic or Arabic, one and a half for one of Chinese.
_OTHER_BYTES_PER_TOKEN = 2
# What a vendor adds to say who speaks.
TURN_TOKENS = 4


def count_tokens(text: str) -> int:
    """Tokens of the text, rather too many than too few; random letters and digits may take more."""
    size = len(text.encode())
    ascii_count = sum(character.isascii() for character in text) if size != len(text) else size
    rest = size - ascii_count
    return -(-ascii_count // _ASCII_PER_TOKEN) + -(-rest // _OTHER_BYTES_PER_TOKEN)
