"""From a question to an answer: context, decision, attempts, outcome."""
