"""A miniature DeepSeek-R1 distillation, trained from scratch: the teacher of the quickstart."""
