"""Google's Gemini models on Vertex AI, now the Gemini Enterprise Agent Platform."""
