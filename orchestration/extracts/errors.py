"""What a person is told when a delivery, a profile or a key can't be used: one message, no identifiers, no stack trace."""


class ExtractError(Exception):
    """Base of every failure of this room that a person must act on."""


class ExtractRefused(ExtractError):
    """An extract can't be used and is refused whole; nothing of it reaches the warehouse."""


class ProfileError(ExtractError):
    """A source profile holds something that can't be meant."""


class KeyRefused(ExtractError):
    """The pseudonym key is missing, too short or not hexadecimal."""
