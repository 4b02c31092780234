"""The log: its lines, their forms, and where they leave."""
