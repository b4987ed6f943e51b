"""The tasks that memories are compared on: one file per task; `tasks.data` holds the streams."""
