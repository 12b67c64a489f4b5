"""The error of objective terms."""

from mmjax.errors import UserError


class TermError(UserError, ValueError):
    """A term cannot be computed or built as asked; the message names it and what to change."""
