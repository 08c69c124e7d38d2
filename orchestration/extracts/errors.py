"""What a person is told when a delivery, a profile or a key can't be used: one message without identifiers."""


class ExtractError(Exception):
    """Base of every failure of this room that a person must act on."""


class ExtractRefused(ExtractError):  # noqa: N818 - says what happens, not what is wrong
    """An extract can't be used and is refused whole; nothing of it reaches the warehouse."""


class ProfileError(ExtractError):
    """A source profile holds something that can't be meant."""


class KeyRefused(ExtractError):  # noqa: N818
    """The pseudonym key is missing, too short or not hexadecimal."""
