"""What can be wrong with knowledge, apart from the database it is in."""

from routing.errors import SupportMaxError


class KnowledgeUnavailable(SupportMaxError):
    """No index can be searched at the moment."""

    code = "knowledge_unavailable"
