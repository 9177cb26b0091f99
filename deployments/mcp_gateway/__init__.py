"""The one door through which platforms get context."""
