"""Microsoft Copilot Studio over its two wires: Direct Line and Direct-to-Engine."""
