"""`supportmax knowledge`: what a company knows, brought in from files and pages."""
