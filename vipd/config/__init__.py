"""Text to validated models: the files, the shell-style language, ucarp's options."""
